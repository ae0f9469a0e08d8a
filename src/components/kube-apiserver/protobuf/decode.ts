/** Request bodies in Kubernetes' protobuf: `k8s\0`, runtime.Unknown, and in it the object, read by the schema into what its JSON would be. */
import { badRequest } from '#kubernetes/status.ts'
import { fieldsOf, idOfKind, listTypes, typeOf } from '../schema/load.ts'
import type { FieldSchema } from '../schema/types.ts'

const magic = Buffer.from([0x6b, 0x38, 0x73, 0x00])

/** One field on the wire: bytes, or a number. */
interface WireField {
  number: number
  bytes?: Buffer
  /** Varint, or fixed 64 bits as a double when the schema says so. */
  value?: bigint
  fixed64?: Buffer
}

class Truncated extends Error {}

function* wireFields(buffer: Buffer): Generator<WireField> {
  let at = 0
  const varint = (): bigint => {
    let value = 0n
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = buffer[at++]
      if (byte === undefined) throw new Truncated('unexpected EOF')
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
    throw new Truncated('proto: integer overflow')
  }
  const take = (length: number): Buffer => {
    if (length < 0 || at + length > buffer.length) throw new Truncated('unexpected EOF')
    at += length
    return buffer.subarray(at - length, at)
  }
  while (at < buffer.length) {
    const tag = Number(varint())
    const number = tag >> 3
    if (number === 0) throw new Truncated(`proto: illegal tag ${number} (wire type ${tag & 7})`)
    switch (tag & 7) {
      case 0:
        yield { number, value: varint() }
        break
      case 1:
        yield { number, fixed64: take(8) }
        break
      case 2:
        yield { number, bytes: take(Number(varint())) }
        break
      case 5:
        take(4)
        break
      default:
        throw new Truncated(`proto: illegal wireType ${tag & 7}`)
    }
  }
}

export interface Wanted {
  kind: string
  group: string
  version: string
}

/** @throws StatusError 400 */
export function decodeProtobuf(body: Buffer, expected: Wanted): unknown {
  if (body.length < 4 || !body.subarray(0, 4).equals(magic))
    throw badRequest('provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]')
  try {
    const typeMeta = { kind: '', apiVersion: '' }
    let raw: Buffer = Buffer.alloc(0)
    for (const { number, bytes } of wireFields(body.subarray(4))) {
      if (number === 2 && bytes) raw = bytes
      if (number !== 1 || !bytes) continue
      for (const field of wireFields(bytes)) {
        if (field.number === 1) typeMeta.apiVersion = field.bytes?.toString('utf8') ?? ''
        if (field.number === 2) typeMeta.kind = field.bytes?.toString('utf8') ?? ''
      }
    }
    const kind = typeMeta.kind || expected.kind
    const [version = '', group = ''] = (typeMeta.apiVersion || '').split('/').reverse()
    const id =
      idOfKind({ kind, group: version ? group : expected.group, version: version || expected.version }) ??
      idOfKind(expected)
    if (!id)
      throw badRequest(
        `no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(typeMeta.apiVersion)} in scheme "pkg/api/legacyscheme/scheme.go:30"`,
      )
    return { ...(typeMeta.kind ? typeMeta : {}), ...(message(raw, id) as object) }
  } catch (error) {
    if (error instanceof Truncated) throw badRequest(error.message)
    throw error
  }
}

/** Types whose JSON is not an object of their fields. */
const leaves: Record<string, (bytes: Buffer) => unknown> = {
  'meta.v1.Time': bytes => timestamp(bytes, false),
  'meta.v1.MicroTime': bytes => timestamp(bytes, true),
  'meta.v1.Duration': bytes => `${Number(numbers(bytes).get(1) ?? 0n) / 1e9}s`,
  'resource.Quantity': bytes => texts(bytes).get(1) ?? '0',
  'intstr.IntOrString': bytes =>
    numbers(bytes).get(1) === 1n ? (texts(bytes).get(3) ?? '') : Number(BigInt.asIntN(64, numbers(bytes).get(2) ?? 0n)),
  'meta.v1.FieldsV1': bytes => JSON.parse(texts(bytes).get(1) ?? '{}'),
  'runtime.RawExtension': bytes => JSON.parse(texts(bytes).get(1) ?? 'null'),
}

const numbers = (bytes: Buffer) =>
  new Map([...wireFields(bytes)].flatMap(f => (f.value === undefined ? [] : [[f.number, f.value] as const])))
const texts = (bytes: Buffer) =>
  new Map([...wireFields(bytes)].flatMap(f => (f.bytes ? [[f.number, f.bytes.toString('utf8')] as const] : [])))

function timestamp(bytes: Buffer, micro: boolean): string | null {
  const found = numbers(bytes)
  // An empty message is Go's zero time, which JSON shows as null.
  if (found.size === 0) return null
  const seconds = Number(BigInt.asIntN(64, found.get(1) ?? 0n))
  const nanos = Number(found.get(2) ?? 0n)
  const text = new Date(seconds * 1000).toISOString().slice(0, 19)
  return micro ? `${text}.${String(Math.floor(nanos / 1000)).padStart(6, '0')}Z` : `${text}Z`
}

function message(bytes: Buffer, type: string): unknown {
  const leaf = leaves[type]
  if (leaf) return leaf(bytes)
  if (listTypes.has(type)) return [...wireFields(bytes)].map(field => field.bytes?.toString('utf8') ?? '')
  const byNumber = new Map(Object.entries(typeOf(type)?.f ?? {}).map(([name, field]) => [field.i, { name, field }]))
  const object: Record<string, unknown> = {}
  for (const wire of wireFields(bytes)) {
    const known = byNumber.get(wire.number)
    if (!known) continue
    const { name, field } = known
    if (field.n) Object.assign(object, message(wire.bytes ?? Buffer.alloc(0), field.t))
    else if (field.m) {
      const map = (object[name] ?? {}) as Record<string, unknown>
      object[name] = map
      const [key, value] = entry(wire.bytes ?? Buffer.alloc(0), field)
      map[key] = value
    } else if (field.a) object[name] = [...((object[name] as unknown[]) ?? []), single(wire, field)]
    else object[name] = single(wire, field)
  }
  return withoutZeros(object, type)
}

function entry(bytes: Buffer, field: FieldSchema): [string, unknown] {
  let key = ''
  let value: unknown = field.t === 'string' || field.t === 'bytes' ? '' : undefined
  for (const wire of wireFields(bytes)) {
    if (wire.number === 1) key = wire.bytes?.toString('utf8') ?? ''
    else value = single(wire, field)
  }
  return [key, value]
}

function single({ bytes, value, fixed64 }: WireField, { t }: FieldSchema): unknown {
  switch (t) {
    case 'string':
      return bytes?.toString('utf8') ?? ''
    case 'bytes':
      return (bytes ?? Buffer.alloc(0)).toString('base64')
    case 'bool':
      return value !== 0n
    case 'int32':
    case 'int64':
      return Number(BigInt.asIntN(64, value ?? 0n))
    case 'uint32':
    case 'uint64':
      return Number(value ?? 0n)
    case 'double':
      return fixed64?.readDoubleLE(0) ?? 0
    default:
      return message(bytes ?? Buffer.alloc(0), t)
  }
}

/** gogo writes zero values of fields that are no pointers; JSON's omitempty leaves them out. */
function withoutZeros(object: Record<string, unknown>, type: string): Record<string, unknown> {
  const fields = fieldsOf(type)
  for (const [name, value] of Object.entries(object)) {
    if (fields.get(name)?.o && (value === '' || value === null)) delete object[name]
  }
  return object
}
