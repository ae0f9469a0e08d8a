/** Objects as they lie in etcd: the JSON of the object without its resourceVersion, which is the key's mod revision. */
import type { Unstructured } from '#kubernetes/types.ts'

/** kind, apiVersion and metadata first, so that the resourceVersion can be put in without parsing. */
export function encode(object: Unstructured): string {
  const { kind, apiVersion, metadata, ...rest } = object
  const { resourceVersion: _, ...meta } = metadata
  return JSON.stringify({ kind, apiVersion, metadata: meta, ...rest })
}

export function decode(value: Buffer, modRevision: number): Unstructured {
  const object = JSON.parse(value.toString('utf8')) as Unstructured
  object.metadata.resourceVersion = String(modRevision)
  return object
}

/**
 * The bytes of the object with its resourceVersion, of its stored form.
 * @param head `{"kind":"Pod","apiVersion":"v1","metadata":{`
 * @param tail of an answer, a newline: json.Encoder's
 */
export function splice(value: Buffer, head: Buffer, modRevision: number, tail = ''): Buffer {
  if (value.length > head.length && value.compare(head, 0, head.length, 0, head.length) === 0) {
    const version = `"resourceVersion":"${modRevision}",`
    const out = Buffer.allocUnsafe(value.length + version.length + tail.length)
    head.copy(out, 0)
    out.write(version, head.length, 'latin1')
    value.copy(out, head.length + version.length, head.length)
    if (tail) out.write(tail, out.length - tail.length, 'latin1')
    return out
  }
  return Buffer.from(JSON.stringify(decode(value, modRevision)) + tail)
}

export const headOf = ({ kind, apiVersion }: { kind: string; apiVersion: string }) =>
  Buffer.from(`{"kind":"${kind}","apiVersion":"${apiVersion}","metadata":{`)
