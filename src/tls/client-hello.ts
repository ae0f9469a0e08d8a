/** The ClientHello, read before OpenSSL gets it: who it is for, and what it offers, which OpenSSL's errors do not tell. */

export interface ClientHello {
  /** Hex. */
  random: string
  /** Offered, newest first as sent; from supported_versions, or from the legacy field alone. */
  versions: number[]
  cipherSuites: number[]
  groups: number[]
  alpn: string[]
  /** psk_key_exchange_modes: whether it would take a session ticket. */
  pskModes: number[]
  servername: string
}

export type FirstBytes =
  | { kind: 'more' }
  | { kind: 'not-tls'; http: boolean }
  /** The client gave up before it began. */
  | { kind: 'alert'; code: number }
  /** `message`: the handshake message, when it came whole in one record. */
  | { kind: 'tls'; message: Buffer | undefined }

/** net/http tlsRecordHeaderLooksLikeHTTP. */
const httpMethods = ['GET /', 'HEAD ', 'POST ', 'PUT /', 'OPTIO']

/** A record may hold 2^14 bytes, and a little more when sealed (RFC 8446 §5.2). */
const maxRecord = 16_384 + 256
const header = 5

/** Looks at the first record as Go's readRecordOrCCS does. */
export function readFirstRecord(bytes: Buffer): FirstBytes {
  if (bytes.length < header) return { kind: 'more' }
  const isTls = (bytes[0] === 0x15 || bytes[0] === 0x16) && bytes.readUInt16BE(1) < 0x1000
  if (!isTls) return { kind: 'not-tls', http: httpMethods.includes(bytes.toString('latin1', 0, header)) }
  const length = bytes.readUInt16BE(3)
  if (length > maxRecord) return { kind: 'tls', message: undefined }
  if (bytes.length < header + length) return { kind: 'more' }
  if (bytes[0] === 0x15) return { kind: 'alert', code: bytes[header + 1] ?? 0 }
  return { kind: 'tls', message: bytes.subarray(header, header + length) }
}

/** The id of the handshake: 32 bytes behind type, length and legacy_version (RFC 8446 §4.1.2). */
export const clientRandom = (message: Buffer | undefined): string =>
  message && message[0] === 1 && message.length >= 38 ? message.toString('hex', 6, 38) : ''

/** Anything out of place ends the reading: OpenSSL will say what is wrong with it. */
export function parseClientHello(message: Buffer): ClientHello | undefined {
  try {
    const random = clientRandom(message)
    if (random === '') return undefined
    let at = 38
    at += 1 + message.readUInt8(at)
    const suitesEnd = at + 2 + message.readUInt16BE(at)
    const hello: ClientHello = {
      random,
      versions: [],
      cipherSuites: numbers(message.subarray(at + 2, suitesEnd)),
      groups: [],
      alpn: [],
      pskModes: [],
      servername: '',
    }
    at = suitesEnd + 1 + message.readUInt8(suitesEnd)
    const end = at < message.length ? at + 2 + message.readUInt16BE(at) : at
    for (at += 2; at + 4 <= end; ) {
      const length = message.readUInt16BE(at + 2)
      readExtension(hello, message.readUInt16BE(at), message.subarray(at + 4, at + 4 + length))
      at += 4 + length
    }
    // crypto/tls supportedVersionsFromMax
    if (hello.versions.length === 0) hello.versions = [0x303, 0x302, 0x301].filter(v => v <= message.readUInt16BE(4))
    return hello
  } catch {
    return undefined
  }
}

function readExtension(hello: ClientHello, type: number, data: Buffer): void {
  switch (type) {
    case 0: // server_name
      if (data.length > 5) hello.servername = data.toString('latin1', 5, 5 + data.readUInt16BE(3))
      break
    case 10: // supported_groups
      hello.groups = numbers(data.subarray(2))
      break
    case 16: // application_layer_protocol_negotiation
      for (let at = 2; at < data.length; at += 1 + data[at]!)
        hello.alpn.push(data.toString('latin1', at + 1, at + 1 + data[at]!))
      break
    case 45: // psk_key_exchange_modes
      hello.pskModes = [...data.subarray(1)]
      break
    case 43: // supported_versions
      hello.versions = numbers(data.subarray(1))
      break
  }
}

function numbers(data: Buffer): number[] {
  return Array.from({ length: data.length >> 1 }, (_, i) => data.readUInt16BE(2 * i))
}
