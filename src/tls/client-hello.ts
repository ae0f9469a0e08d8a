/** The ClientHello, read before OpenSSL gets it: who it is for, and what it offers, which OpenSSL's errors do not tell. */

export interface ClientHello {
  /** Hex. */
  random: string
  /** Offered, newest first as sent; from supported_versions, or the legacy field alone. */
  versions: number[]
  cipherSuites: number[]
  groups: number[]
  alpn: string[]
  servername: string
}

export type FirstBytes =
  | { kind: 'more' }
  | { kind: 'not-tls'; http: boolean }
  | { kind: 'tls'; hello: ClientHello | undefined }

const httpMethods = ['GET /', 'HEAD ', 'POST ', 'PUT /', 'OPTIO']

/** A record may hold 2^14 bytes, and a little more when sealed (RFC 8446 §5.2). */
const maxRecord = 16_384 + 256

/** Looks at the first record as Go's readRecordOrCCS does; `hello` is undefined when it cannot be read or goes on in a second record. */
export function readFirstRecord(bytes: Uint8Array): FirstBytes {
  if (bytes.length < 5) return { kind: 'more' }
  const version = (bytes[1]! << 8) | bytes[2]!
  if ((bytes[0] !== 0x15 && bytes[0] !== 0x16) || version >= 0x1000) {
    return { kind: 'not-tls', http: httpMethods.includes(Buffer.from(bytes.subarray(0, 5)).toString('latin1')) }
  }
  const length = (bytes[3]! << 8) | bytes[4]!
  if (length > maxRecord || bytes[0] === 0x15) return { kind: 'tls', hello: undefined }
  if (bytes.length < 5 + length) return { kind: 'more' }
  return { kind: 'tls', hello: parseClientHello(bytes.subarray(5, 5 + length)) }
}

/** RFC 8446 §4.1.2. Anything out of place ends the reading: OpenSSL will say what is wrong with it. */
export function parseClientHello(message: Uint8Array): ClientHello | undefined {
  const view = Buffer.from(message.buffer, message.byteOffset, message.byteLength)
  try {
    if (view[0] !== 1) return undefined
    const legacy = view.readUInt16BE(4)
    const random = view.toString('hex', 6, 38)
    if (random.length !== 64) return undefined
    let at = 38
    at += 1 + view.readUInt8(at)
    const suitesEnd = at + 2 + view.readUInt16BE(at)
    const hello: ClientHello = {
      random,
      versions: [],
      cipherSuites: numbers(view.subarray(at + 2, suitesEnd)),
      groups: [],
      alpn: [],
      servername: '',
    }
    at = suitesEnd
    at += 1 + view.readUInt8(at)
    const end = at < view.length ? at + 2 + view.readUInt16BE(at) : at
    at += 2
    while (at + 4 <= end) {
      const type = view.readUInt16BE(at)
      const length = view.readUInt16BE(at + 2)
      readExtension(hello, type, view.subarray(at + 4, at + 4 + length))
      at += 4 + length
    }
    // crypto/tls supportedVersionsFromMax
    if (hello.versions.length === 0) hello.versions = [0x303, 0x302, 0x301].filter(v => v <= legacy)
    return hello
  } catch {
    return undefined
  }
}

function readExtension(hello: ClientHello, type: number, data: Buffer): void {
  if (type === 0 && data.length > 5) hello.servername = data.toString('latin1', 5, 5 + data.readUInt16BE(3))
  else if (type === 10) hello.groups = numbers(data.subarray(2))
  else if (type === 16) {
    for (let at = 2; at < data.length; at += 1 + data[at]!)
      hello.alpn.push(data.toString('latin1', at + 1, at + 1 + data[at]!))
  } else if (type === 43) hello.versions = numbers(data.subarray(1))
}

function numbers(data: Buffer): number[] {
  return Array.from({ length: data.length >> 1 }, (_, i) => data.readUInt16BE(2 * i))
}
