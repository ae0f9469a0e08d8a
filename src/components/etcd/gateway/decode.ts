/**
 * JSON bodies into requests, as etcd's grpc-gateway reads them: fields in snake_case or camelCase, int64 as strings or
 * numbers, bytes in base64, enums by name or number, null for "not given", unknown fields ignored. What it refuses, and
 * the words, are those of Go's encoding/json and golang/protobuf's jsonpb.
 */
import { EtcdError, grpcCodes } from '../errors.ts'
import type { Bytes } from '../types.ts'
import { firstJsonValue } from './go-json.ts'

/** `int`: an int64 that is a revision or a count. `lease` (int64) and `member` (uint64): ids, of which every bit counts. */
export type Kind = 'bytes' | 'int' | 'lease' | 'member' | 'bool' | 'string' | EnumKind | Schema | [Kind]

export interface EnumKind {
  /** As Go's error names it. */
  enum: string
  values: readonly string[]
}

/** Fields by their JSON name in snake_case. */
export interface Schema {
  fields: Readonly<Record<string, { as: string; kind: Kind }>>
}

const invalid = (message: string) => new EtcdError(grpcCodes.invalidArgument, message)

/** Thrown when a number is too large for a double: the body is then read again with numbers as text. */
const inexact = Symbol('inexact')

/** A number as it was written. */
class RawNumber {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

/** Reads the first JSON value of a body; what follows it is ignored, and nothing at all is an empty message. @throws EtcdError */
export function decodeBody<T>(schema: Schema, body: string): T {
  return decodeText(schema, body.trim() === '' ? '{}' : body)
}

export function decodeText<T>(schema: Schema, text: string): T {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    const first = firstJsonValue(text)
    if ('error' in first) throw invalid(first.error)
    return decodeText(schema, first.text)
  }
  try {
    return decodeMessage(schema, value) as T
  } catch (error) {
    if (error !== inexact) throw error
    const reviver = (_: string, value: unknown, context?: { source?: string }) =>
      typeof value === 'number' && context?.source !== undefined ? new RawNumber(context.source) : value
    return decodeMessage(schema, JSON.parse(text, reviver)) as T
  }
}

function decodeMessage(schema: Schema, value: unknown): Record<string, unknown> {
  const message: Record<string, unknown> = {}
  if (value === null) return message
  if (typeof value !== 'object' || Array.isArray(value) || value instanceof RawNumber) {
    throw wrongType(value, 'map[string]json.RawMessage')
  }
  for (const name in value) {
    const field = schema.fields[name]
    if (!field) continue
    const given = (value as Record<string, unknown>)[name]
    if (given !== null) message[field.as] = decodeField(field.kind, given)
  }
  return message
}

function decodeField(kind: Kind, value: unknown): unknown {
  switch (kind) {
    case 'bytes':
      if (typeof value !== 'string') throw wrongType(value, '[]uint8')
      return decodeBase64(value)
    case 'int':
      return Number(integerText(value, 'int64'))
    case 'lease':
      return BigInt(integerText(value, 'int64'))
    case 'member':
      return BigInt(integerText(value, 'uint64'))
    case 'bool':
      if (typeof value !== 'boolean') throw wrongType(value, 'bool')
      return value
    case 'string':
      if (typeof value !== 'string') throw wrongType(value, 'string')
      return value
  }
  if (Array.isArray(kind)) {
    if (!Array.isArray(value)) throw wrongType(value, '[]json.RawMessage')
    return value.map(item => decodeField(kind[0], item))
  }
  return 'enum' in kind ? decodeEnum(kind, value) : decodeMessage(kind, value)
}

function decodeEnum(kind: EnumKind, value: unknown): string | undefined {
  if (typeof value === 'string') {
    if (!kind.values.includes(value)) throw invalid(`unknown value ${JSON.stringify(value)} for enum ${kind.enum}`)
    return value
  }
  if (typeof value !== 'number' && !(value instanceof RawNumber)) throw wrongType(value, 'int32')
  return kind.values[Number(value instanceof RawNumber ? value.text : value)]
}

const limits = { int64: [-(2n ** 63n), 2n ** 63n - 1n], uint64: [0n, 2n ** 64n - 1n] } as const

function integerText(value: unknown, goType: keyof typeof limits): string {
  let text: string
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) throw inexact
    return String(value)
  }
  if (value instanceof RawNumber) text = value.text
  else if (typeof value === 'string') text = value
  else throw wrongType(value, goType)
  if (text === '') throw invalid('unexpected end of JSON input')
  if (!/^-?\d/.test(text)) throw invalid(`invalid character '${text[0]}' looking for beginning of value`)
  if (!/^-?\d+$/.test(text)) throw invalid(`json: cannot unmarshal number ${text} into Go value of type ${goType}`)
  if (text.length > 18) {
    const [least, greatest] = limits[goType]
    const integer = BigInt(text)
    if (integer > greatest || integer < least) {
      throw invalid(`json: cannot unmarshal number ${text} into Go value of type ${goType}`)
    }
  }
  return text
}

/** Go's StdEncoding: padding is a must. `atob` is laxer about that and about spaces, so the length of what it gives tells. */
function decodeBase64(text: string): Bytes {
  if (text === '') return ''
  let bytes: string | undefined
  try {
    bytes = atob(text)
  } catch {
    // said below, in Go's words
  }
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0
  if (bytes !== undefined && text.length % 4 === 0 && bytes.length === (text.length / 4) * 3 - padding) return bytes
  const plain = text.replace(/[\r\n]/g, '')
  if (plain !== text && plain !== '') return decodeBase64(plain)
  throw invalid(`illegal base64 data at input byte ${base64ErrorAt(text)}`)
}

/** Where Go's decoder stops (encoding/base64, decodeQuantum). */
function base64ErrorAt(text: string): number {
  for (let at = 0; at < text.length; at += 4) {
    for (let j = 0; j < 4; j++) {
      const char = text[at + j]
      if (char === undefined) return at
      if (/[A-Za-z0-9+/]/.test(char)) continue
      if (char !== '=' || j < 2) return at + j
      if (j === 2 && text[at + 3] === undefined) return text.length
      if (j === 2 && text[at + 3] !== '=') return at + 2
      return at + 4
    }
  }
  return text.length
}

function wrongType(value: unknown, goType: string): EtcdError {
  const kind = Array.isArray(value)
    ? 'array'
    : value instanceof RawNumber || typeof value === 'number'
      ? 'number'
      : typeof value === 'boolean'
        ? 'bool'
        : typeof value === 'string'
          ? 'string'
          : 'object'
  return invalid(`json: cannot unmarshal ${kind} into Go value of type ${goType}`)
}
