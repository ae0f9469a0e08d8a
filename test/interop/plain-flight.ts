/** A server's first TLS 1.2 flight in the clear, with any bytes as certificates: no library would send it, and no key is needed. */
import { randomBytes } from 'node:crypto'

const number = (value: number, bytes: number) => Buffer.from(value.toString(16).padStart(bytes * 2, '0'), 'hex')
const vector = (lengthBytes: number, ...parts: Uint8Array[]) => {
  const content = Buffer.concat(parts)
  return Buffer.concat([number(content.length, lengthBytes), content])
}
const handshake = (type: number, ...parts: Uint8Array[]) => Buffer.concat([Buffer.of(type), vector(3, ...parts)])

/** ServerHello, Certificate, a ServerKeyExchange that is none, ServerHelloDone; RFC 5246 §7.4. */
export function flight(chain: readonly Uint8Array[]): Buffer {
  const suite = Buffer.of(0xc0, 0x2b)
  const hello = handshake(2, Buffer.of(3, 3), randomBytes(32), vector(1, randomBytes(32)), suite, Buffer.of(0))
  const certificate = handshake(11, vector(3, ...chain.map(der => vector(3, der))))
  const messages = Buffer.concat([hello, certificate, handshake(12, Buffer.of(0)), handshake(14)])
  const records: Buffer[] = []
  for (let at = 0; at < messages.length; at += 16_000)
    records.push(Buffer.of(22, 3, 3), vector(2, messages.subarray(at, at + 16_000)))
  return Buffer.concat(records)
}
