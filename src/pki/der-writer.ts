/** DER, written by hand where the parts are there already: tags, lengths and PEM. */
import { createPublicKey, type KeyObject } from 'node:crypto'
import { AsnConvert } from '@peculiar/asn1-schema'

export const sequence = 0x30
export const explicit = (number: number) => 0xa0 | number

export const der = (value: unknown) => Buffer.from(AsnConvert.serialize(value))

/** Tag, length, content. */
export function wrap(tag: number, ...parts: Uint8Array[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  const bytes = length < 0x80 ? [] : length < 0x100 ? [0x81] : length < 0x10000 ? [0x82] : [0x83]
  for (let shift = (bytes.length === 0 ? 0 : (bytes[0]! & 0x7f) - 1) * 8; shift >= 0; shift -= 8) {
    bytes.push((length >> shift) & 0xff)
  }
  return Buffer.concat([Buffer.from([tag, ...bytes]), ...parts])
}

/** With a newline at its end. */
export const pem = (label: string, bytes: Buffer) =>
  `-----BEGIN ${label}-----\n${bytes.toString('base64').replace(/.{64}(?=.)/g, '$&\n')}\n-----END ${label}-----\n`

/** @param key may be a private key, whose public half is taken */
export const subjectPublicKeyInfo = (key: KeyObject): Buffer =>
  (key.type === 'private' ? createPublicKey(key) : key).export({ format: 'der', type: 'spki' })
