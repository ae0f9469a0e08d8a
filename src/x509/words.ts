/** A refusal as the end that judges words it: Go's error behind the prefix that its crypto/tls puts before it. */
import { checkRsaKey } from './signature.ts'
import type { Certificate, Verdict, Voice } from './types.ts'

type Rejection = Extract<Verdict, { verdict: 'reject' }>

export interface Judge {
  /** `client`: it judges a server's certificate; `server`: a client's. */
  end: 'client' | 'server'
  voice: Voice
}

/** `tls: failed to verify certificate: x509: …`, `tls: failed to parse client certificate: x509: …` and so on. */
export function placedMessage(verdict: Rejection, { end, voice }: Judge): string {
  const { message, parsing, reason } = verdict
  // crypto/tls's own errors, and etcd's on its list, come as they are
  if (!message.startsWith('x509: ') || reason === 'revoked') return message
  if (parsing)
    return end === 'client'
      ? `tls: failed to parse certificate from server: ${message}`
      : `tls: failed to parse client certificate: ${message}`
  if (voice !== 'go1.19') return `tls: failed to verify certificate: ${message}`
  return end === 'client' ? message : `tls: failed to verify client certificate: ${message}`
}

/** What kube-apiserver's x509 authenticator logs (and answers 401 to): the certificate by serial and key ids, then Go's error. */
export function authenticatorMessage(leaf: Certificate, verdict: Rejection): string {
  const keyId = (id: Uint8Array = new Uint8Array()) =>
    Array.from(id, byte => byte.toString(16).toUpperCase().padStart(2, '0')).join(':')
  const ids = `SN=${leaf.serialNumber}, SKID=${keyId(leaf.subjectKeyId)}, AKID=${keyId(leaf.authorityKeyId)}`
  return `verifying certificate ${ids} failed: ${verdict.message}`
}

/**
 * A leaf whose chain is fine and with whose key crypto/tls does nothing: it is of a kind that TLS does not know, or crypto/rsa refuses it
 * when the handshake's signature is checked (fewer than 1024 bits).
 * @returns Go's error at the judging end (it sends handshakeKeyAlert), or undefined
 */
export function handshakeKeyError(leaf: Certificate, { end, voice }: Judge): string | undefined {
  const { publicKey } = leaf.details
  const unsupported = { DSA: '*dsa.PublicKey', unknown: '<nil>' }[publicKey.algorithm as string]
  if (unsupported) {
    return end === 'client'
      ? `tls: server's certificate contains an unsupported type of public key: ${unsupported}`
      : `tls: client certificate contains an unsupported public key of type ${unsupported}`
  }
  const weak = publicKey.algorithm === 'RSA' ? checkRsaKey(publicKey, voice) : undefined
  if (!weak) return undefined
  return `tls: invalid signature by the ${end === 'client' ? 'server' : 'client'} certificate: ${weak}`
}

/** unsupported_certificate, or decrypt_error when it was the signature that could not be checked. */
export const handshakeKeyAlert = ({ publicKeyAlgorithm }: Certificate): number =>
  publicKeyAlgorithm === 'DSA' || publicKeyAlgorithm === 'unknown' ? 43 : 51
