/** One fatal alert as a TLS record, made by hand: Node sends none when a certificate is refused. */
import { createCipheriv, createHmac } from 'node:crypto'

const suites: Record<
  string,
  { hash: 'sha256' | 'sha384'; aead: 'aes-128-gcm' | 'aes-256-gcm' | 'chacha20-poly1305'; key: number }
> = {
  TLS_AES_128_GCM_SHA256: { hash: 'sha256', aead: 'aes-128-gcm', key: 16 },
  TLS_AES_256_GCM_SHA384: { hash: 'sha384', aead: 'aes-256-gcm', key: 32 },
  TLS_CHACHA20_POLY1305_SHA256: { hash: 'sha256', aead: 'chacha20-poly1305', key: 32 },
}

/** Fatal is level 2. Legal before the sender's ChangeCipherSpec (RFC 5246 §7.2), which is where Go sends it too. */
export const plainAlert = (code: number): Buffer => Buffer.from([0x15, 3, 3, 0, 2, 2, code])

/** RFC 8446 §7.1 HKDF-Expand-Label with an empty context, for at most one hash length. */
function expandLabel(secret: Uint8Array, hash: string, label: string, length: number): Buffer {
  const name = Buffer.from(`tls13 ${label}`, 'latin1')
  const info = Buffer.concat([Buffer.from([0, length, name.length]), name, Buffer.from([0, 1])])
  return createHmac(hash, secret).update(info).digest().subarray(0, length)
}

/**
 * RFC 8446 §5.2: record number 0 under `secret`, whose nonce is the IV itself.
 * @param suite TLS 1.3's name, as getCipher().name
 * @returns undefined for a suite that is not known (OpenSSL has CCM too; we never offer it)
 */
export function sealedAlert(suite: string, secret: Uint8Array, code: number): Buffer | undefined {
  const parameters = suites[suite]
  if (!parameters) return undefined
  const { hash, aead } = parameters
  const key = expandLabel(secret, hash, 'key', parameters.key)
  const iv = expandLabel(secret, hash, 'iv', 12)
  const inner = Buffer.from([2, code, 0x15])
  const header = Buffer.from([0x17, 3, 3, 0, inner.length + 16])
  // node's types know the two families apart; the calls are the same
  const cipher = createCipheriv(aead as 'aes-128-gcm', key, iv, { authTagLength: 16 })
  cipher.setAAD(header)
  return Buffer.concat([header, cipher.update(inner), cipher.final(), cipher.getAuthTag()])
}
