/** The JSON Schema of an attribute, by its kind. */
import { type Attribute, type Attributes, fixedWords } from './attributes.ts'

export type Schema = Record<string, unknown>

export const text = (description: string): Schema => ({ type: 'string', minLength: 1, description })

const mapOf = (value: Schema, description: string): Schema => ({
  type: 'object',
  minProperties: 1,
  additionalProperties: value,
  description,
})

export const oneOrMore = (item: Schema): Schema => ({
  type: ['string', 'array'],
  if: { type: 'array' },
  // biome-ignore lint/suspicious/noThenProperty: JSON Schema's keyword
  then: { items: item, minItems: 1 },
  else: item,
})

export const object = (properties: Schema, required: readonly string[], description: string): Schema => ({
  type: 'object',
  additionalProperties: false,
  properties,
  ...(required.length > 0 ? { required } : {}),
  description,
})

export const duration = (description: string): Schema => ({
  type: 'string',
  pattern: '^-?(\\d+(\\.\\d+)?(ms|[smhdwy]))+$',
  description: `${description} A duration with its unit: 90s, 10m, 1h30m, 364d.`,
})

/** YAML 1.2 has no octal numbers of this form: `0644` without quotes is 644 there, which is what is not meant. */
export const mode = (description: string): Schema => ({
  type: 'string',
  pattern: '^0?[0-7]{3}$',
  description: `${description} In octal, in quotes: '0644'.`,
})

export const file = (description: string): Schema => ({
  type: 'string',
  pattern: '^(?!/)(?!.*(^|/)\\.\\.(/|$)).+$',
  description: `${description} A path below the state directory: pki/ca.crt.`,
})

/** What is only a name or a list of names in a file. */
export const isPlain = ({ kind }: Pick<Attribute, 'kind'>): boolean =>
  ![
    'map',
    'modes',
    'files',
    'rows',
    'trust',
    'objects',
    'fault',
    'expectation',
    'expectations',
    'notices',
    'condition',
  ].includes(kind)

export function attributeSchema({ kind, description, values }: Attribute): Schema {
  const words = values ?? fixedWords[kind]
  if (words) return { enum: [...words], description }
  switch (kind) {
    case 'authorities':
    case 'texts':
      return { type: 'array', items: { type: 'string' }, description }
    case 'number':
      return { type: 'integer', description }
    case 'duration':
      return duration(description)
    case 'file':
      return file(description)
    case 'mode':
      return mode(description)
    case 'map':
      return mapOf({ type: 'string' }, description)
    case 'modes':
      return { ...mapOf(mode('Its mode.'), description), propertyNames: file('Which one.') }
    case 'files':
      return { ...mapOf(file('Where its content comes from.'), description), propertyNames: file('Which one.') }
    case 'rows':
      return {
        ...mapOf({ $ref: '#/$defs/row' }, description),
        patternProperties: { '\\.conf$': { $ref: '#/$defs/kubeconfig' } },
      }
    case 'trust':
      return { $ref: '#/$defs/trust', description }
    case 'objects':
      return {
        type: ['object', 'array'],
        if: { type: 'array' },
        // biome-ignore lint/suspicious/noThenProperty: JSON Schema's keyword
        then: { items: { $ref: '#/$defs/object' }, minItems: 1 },
        else: { $ref: '#/$defs/object' },
        description,
      }
    case 'fault':
    case 'expectation':
    case 'condition':
      return { $ref: `#/$defs/${kind}`, description }
    case 'expectations':
      return { $ref: '#/$defs/expect', description }
    case 'notices':
      return { type: 'array', items: { $ref: '#/$defs/notice' }, minItems: 1, description }
    default:
      return text(description)
  }
}

export function attributesSchema(attributes: Attributes, description: string): Schema {
  const entries = Object.entries(attributes)
  const required = entries.filter(([, attribute]) => !attribute.optional).map(([key]) => key)
  return object(
    Object.fromEntries(entries.map(([key, attribute]) => [key, attributeSchema(attribute)])),
    required,
    description,
  )
}
