/** Which form the client wants: JSON or YAML, the object itself, a Table, or its metadata. */
import { notAcceptable } from '#kubernetes/status.ts'

export interface Form {
  format: 'json' | 'yaml'
  as?: 'Table' | 'PartialObjectMetadata' | 'PartialObjectMetadataList'
}

/** Protobuf answers are not among what we write; clients that ask for it name JSON as well. */
const acceptedTypes = ['application/json', 'application/yaml']

const json: Form = { format: 'json' }
const forms = new Map<string, Form | undefined>()

/** @throws StatusError 406 */
export function negotiate(accept: string): Form {
  if (accept === '' || accept === '*/*' || accept === 'application/json') return json
  let form = forms.get(accept)
  if (form === undefined && !forms.has(accept)) {
    form = parse(accept)
    // Clients send a handful of different ones.
    if (forms.size < 1000) forms.set(accept, form)
  }
  if (!form) throw notAcceptable(acceptedTypes)
  return form
}

function parse(accept: string): Form | undefined {
  const ranges = accept
    .split(',')
    .map((range, order) => {
      const [type, ...parameters] = range.split(';').map(part => part.trim())
      const values = new Map(parameters.map(p => p.split('=', 2) as [string, string]))
      return { type: type!.toLowerCase(), values, quality: Number(values.get('q') ?? 1), order }
    })
    .sort((a, b) => b.quality - a.quality || a.order - b.order)
  for (const { type, values, quality } of ranges) {
    if (quality === 0) continue
    const as = values.get('as')
    // Only of meta.k8s.io/v1 and v1beta1, which are alike in JSON.
    if (as !== undefined && values.get('g') !== 'meta.k8s.io') continue
    if (as !== undefined && !['Table', 'PartialObjectMetadata', 'PartialObjectMetadataList'].includes(as)) continue
    const known = as === undefined ? {} : { as: as as NonNullable<Form['as']> }
    if (type === 'application/json' || type === '*/*' || type === 'application/*') return { format: 'json', ...known }
    if (type === 'application/yaml') return { format: 'yaml', ...known }
  }
  return undefined
}
