/** The types of encoding/asn1 that are no structures: what their content may be, in Go's words. */
import { isUtf8 } from 'node:buffer'
import { parseBase128, structureError, syntaxError, type Type } from './asn1.ts'
import { integerOf } from './der.ts'
import { CertificateParseError } from './errors.ts'
import { isIa5, isNumeric, isPrintable } from './names.ts'
import { parseGeneralizedTime, parseUtcTime } from './times.ts'

const checkOid = (content: Uint8Array): undefined => {
  if (content.length === 0) syntaxError('zero length OBJECT IDENTIFIER')
  for (let at = 0; at < content.length; ) at = parseBase128(content, at).end
}

function parseBigInteger(content: Uint8Array): bigint {
  if (content.length === 0) structureError('empty integer')
  return integerOf(content) ?? structureError('integer not minimally-encoded')
}

function checkInteger(content: Uint8Array): undefined {
  parseBigInteger(content)
  if (content.length > 8) structureError('integer too large')
}

const checkBitString = (content: Uint8Array): undefined => {
  const [padding, last] = [content[0], content.at(-1)!]
  if (padding === undefined) return syntaxError('zero length BIT STRING')
  if (padding > 7 || (content.length === 1 && padding > 0) || last & ((1 << padding) - 1))
    syntaxError('invalid padding bits in BIT STRING')
}

const checkBoolean = ([value, more]: Uint8Array): undefined => {
  if (more !== undefined || (value !== 0 && value !== 0xff)) syntaxError('invalid boolean')
}

const checkTime = (tag: number, content: Uint8Array): undefined => {
  const isUtc = tag === utcTime
  if (isUtc ? parseUtcTime(content, 'go1.24') : parseGeneralizedTime(content, 'go1.24')) return
  const text = Buffer.from(content).toString('latin1')
  throw new CertificateParseError(`parsing time ${quoteTime(text)}${timeProblem(text, isUtc ? '06' : '2006')}`)
}

/** time.Parse's own quoting, byte by byte. */
const quoteTime = (text: string) =>
  `"${text.replace(/["\\]/g, '\\$&').replace(/[^\x20-\x7f]/g, char => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`)}"`

/** time.Parse: the first piece of the layout that does not fit. */
function timeProblem(text: string, year: '06' | '2006'): string {
  const unlike = (at: number, piece: string) =>
    ` as "${year}0102150405Z0700": cannot parse ${quoteTime(text.slice(at))} as "${piece}"`
  let at = 0
  for (const [piece, name, most] of [
    [year],
    ['01', 'month', 12],
    ['02'],
    ['15', 'hour', 23],
    ['04', 'minute', 59],
    ['05', 'second', 59],
  ] as const) {
    // an hour may have one digit
    const form = piece === '15' ? /^\d\d?/ : piece === '2006' ? /^\d{4}/ : /^\d\d/
    const digits = form.exec(text.slice(at))?.[0]
    if (digits === undefined) return unlike(at, piece)
    if (name && (Number(digits) > most || (name === 'month' && digits === '00'))) return `: ${name} out of range`
    at += digits.length
  }
  const zone = /^(?:Z|[+-]\d{4})/.exec(text.slice(at))?.[0]
  if (!zone) return unlike(at, 'Z0700')
  const more = text.slice(at + zone.length)
  return more === '' ? ': day out of range' : `: extra text: ${quoteTime(more)}`
}

const characters = (is: (content: Uint8Array) => boolean, kind: string) => (content: Uint8Array) =>
  is(content) ? undefined : syntaxError(`${kind} contains invalid character`)

const utf8 = (content: Uint8Array): undefined => {
  if (!isUtf8(content)) throw new CertificateParseError('asn1: invalid UTF-8 string')
}
const bmp = (content: Uint8Array): undefined => {
  if (content.length % 2 !== 0) throw new CertificateParseError('pkcs12: odd-length BMP string')
}

const utcTime = 23
const generalizedTime = 24

/** By universal tag; others are let pass. */
const anyOf: Record<number, (content: Uint8Array) => undefined> = {
  2: checkInteger,
  3: checkBitString,
  6: checkOid,
  12: utf8,
  18: characters(isNumeric, 'NumericString'),
  19: characters(isPrintable, 'PrintableString'),
  22: characters(isIa5, 'IA5String'),
  23: content => checkTime(utcTime, content),
  24: content => checkTime(generalizedTime, content),
  30: bmp,
}

export const oidType: Type = { name: 'ObjectIdentifier', tag: 6, read: checkOid }
export const bitStringType: Type = { name: 'BitString', tag: 3, read: checkBitString }
export const octetsType: Type = { name: '', tag: 4, read: () => undefined }
export const booleanType: Type = { name: 'bool', tag: 1, read: checkBoolean }
export const intType: Type = { name: 'int', tag: 2, read: checkInteger }
export const bigIntType: Type = { name: '', tag: 2, read: parseBigInteger }
export const rawType: Type = { name: 'RawValue', tag: -1, any: true, read: () => undefined }
/** Go's `any`: what it knows is read, too. */
export const anyType: Type = {
  name: '',
  tag: -1,
  any: true,
  read: (content, header) => (header.class === 0 && !header.isCompound ? anyOf[header.tag]?.(content) : undefined),
}
export const timeType: Type = {
  name: 'Time',
  tag: utcTime,
  alternative: generalizedTime,
  read: (content, { tag }) => checkTime(tag, content),
}
