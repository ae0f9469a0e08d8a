/** A Status as bytes: JSON, YAML or Kubernetes' protobuf, by what the client accepts. */
import type { Status } from './types.ts'

export interface Encoded {
  contentType: string
  body: string | Uint8Array
}

/** @param accept the request's Accept header */
export function encodeStatus(status: Status, accept: string | undefined): Encoded | Promise<Encoded> {
  const wanted = accept ? preferred(accept) : 'json'
  if (wanted === 'protobuf') return { contentType: 'application/vnd.kubernetes.protobuf', body: statusProtobuf(status) }
  if (wanted === 'yaml') {
    return import('yaml').then(({ stringify }) => ({
      contentType: 'application/yaml',
      body: stringify(status, { sortMapEntries: true }),
    }))
  }
  // json.Encoder ends with a newline.
  return { contentType: 'application/json', body: `${JSON.stringify(status)}\n` }
}

/** The first media type in the header that a Kubernetes server knows; quality values are not used by its clients. */
function preferred(accept: string): 'json' | 'yaml' | 'protobuf' {
  for (const part of accept.split(',')) {
    const type = part.split(';', 1)[0]!.trim()
    if (type === 'application/json' || type === '*/*' || type === 'application/*') return 'json'
    if (type === 'application/yaml') return 'yaml'
    if (type === 'application/vnd.kubernetes.protobuf') return 'protobuf'
  }
  return 'json'
}

const utf8 = new TextEncoder()

function varint(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80)
  bytes.push(rest)
  return bytes
}

/** A length-delimited field. gogo-protobuf writes strings even when they are empty. */
const field = (number: number, value: string | readonly number[]): number[] => {
  const bytes = typeof value === 'string' ? utf8.encode(value) : value
  return [(number << 3) | 2, ...varint(bytes.length), ...bytes]
}

const integer = (number: number, value: number): number[] => [number << 3, ...varint(value)]

/** `k8s\0`, then runtime.Unknown around meta/v1's Status (generated.proto of apimachinery). */
export function statusProtobuf(status: Status): Uint8Array {
  const { details } = status
  const listMeta = [...field(1, ''), ...field(2, status.metadata.resourceVersion ?? ''), ...field(3, '')]
  const raw = [
    ...field(1, listMeta),
    ...field(2, status.status),
    ...field(3, status.message ?? ''),
    ...field(4, status.reason ?? ''),
    ...(details
      ? field(5, [
          ...field(1, details.name ?? ''),
          ...field(2, details.group ?? ''),
          ...field(3, details.kind ?? ''),
          ...(details.causes ?? []).flatMap(cause =>
            field(4, [
              ...field(1, cause.reason ?? ''),
              ...field(2, cause.message ?? ''),
              ...field(3, cause.field ?? ''),
            ]),
          ),
          ...integer(5, details.retryAfterSeconds ?? 0),
          ...field(6, details.uid ?? ''),
        ])
      : []),
    ...integer(6, status.code ?? 0),
  ]
  const typeMeta = [...field(1, 'v1'), ...field(2, 'Status')]
  const unknown = [...field(1, typeMeta), ...field(2, raw), ...field(3, ''), ...field(4, '')]
  return Uint8Array.from([0x6b, 0x38, 0x73, 0, ...unknown])
}
