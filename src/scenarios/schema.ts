/** The JSON Schema of a scenario file, made from the tables; scenarios/scenario.schema.json is this, written down for editors. */
import { componentNames } from '#components/component.ts'
import { connections } from '#mesh/connections.ts'
import { trustSlotNames } from '#pki/trust-slots.ts'
import { reasons } from '#x509/reasons.ts'
import type { Attribute } from './faults/fault.ts'
import { faults } from './faults/index.ts'
import { steps } from './steps.ts'

type Schema = Record<string, unknown>

/** `a -> b`, and with `*` at either end: what `expect` may name. */
export function expectKeys(): string[] {
  const names = connections.map(({ from, to }) => `${from} -> ${to}`)
  const ends = connections.flatMap(({ from, to }) => [`* -> ${to}`, `${from} -> *`])
  return [...names, ...new Set(ends)]
}

const text = (description: string): Schema => ({ type: 'string', minLength: 1, description })
const oneOrMore = (item: Schema): Schema => ({
  type: ['string', 'array'],
  if: { type: 'array' },
  // biome-ignore lint/suspicious/noThenProperty: JSON Schema's keyword
  then: { items: item, minItems: 1 },
  else: item,
})

function attributeSchema({ kind, description }: Attribute): Schema {
  switch (kind) {
    case 'component':
      return { enum: [...componentNames], description }
    case 'slot':
      return { enum: [...trustSlotNames], description }
    case 'authorities':
    case 'texts':
      return { type: 'array', items: { type: 'string' }, description }
    case 'duration':
      return {
        type: 'string',
        pattern: '^-?(\\d+(\\.\\d+)?(ms|[smhdwy]))+$',
        description: `${description} A duration with its unit: 90s, 10m, 1h30m, 364d.`,
      }
    default:
      return text(description)
  }
}

const object = (properties: Schema, required: readonly string[], description: string): Schema => ({
  type: 'object',
  additionalProperties: false,
  properties,
  ...(required.length > 0 ? { required } : {}),
  description,
})

const faultSchema = (): Schema => ({
  ...object(
    Object.fromEntries(
      faults.map(({ name, summary, attributes }) => {
        const entries = Object.entries(attributes)
        const required = entries.filter(([, attribute]) => !attribute.optional).map(([key]) => key)
        const properties = Object.fromEntries(entries.map(([key, attribute]) => [key, attributeSchema(attribute)]))
        return [name, object(properties, required, `Fault: ${summary}.`)]
      }),
    ),
    [],
    'One fault, by its name.',
  ),
  minProperties: 1,
  maxProperties: 1,
})

const stepSchema = (): Schema => ({
  ...object(
    Object.fromEntries(
      steps.map(({ name, description, kind }) => [
        name,
        { ...oneOrMore(attributeSchema({ kind, description })), description },
      ]),
    ),
    [],
    'One step, by its name; what it is done to, one or a list.',
  ),
  minProperties: 1,
  maxProperties: 1,
})

const expectationSchema: Schema = {
  type: ['string', 'object'],
  if: { type: 'string' },
  // biome-ignore lint/suspicious/noThenProperty: JSON Schema's keyword
  then: { enum: ['ok', 'unreachable', 'any'] },
  else: object(
    {
      refusedBy: { enum: ['client', 'server'], description: 'The end that says no.' },
      layer: {
        enum: ['tls', 'authentication', 'authorization'],
        description: 'Inside the handshake, by 401, or by 403.',
      },
      reason: { enum: reasons.map(({ reason }) => reason), description: 'Why, as `trustplane explain` lists them.' },
      words: object(
        {
          client: text('A part of what the client says.'),
          server: text('A part of what the server says.'),
        },
        [],
        'What the ends say, in the words of the real components. A part of it is enough.',
      ),
    },
    ['refusedBy'],
    'A refusal.',
  ),
}

export function scenarioSchema(): Schema {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: 'https://trustplane.dev/schemas/scenario.json',
    title: 'trustplane scenario',
    ...object(
      {
        title: text('One sentence: what fails, and why.'),
        story: text('What people saw, and what was the matter.'),
        source: {
          ...oneOrMore(text('An address.')),
          description: 'Where it happened: an issue, a page, a source file.',
        },
        given: object(
          {
            plan: text('A plan of certs/, by its name. Left out: kubeadm.'),
            nodes: { type: 'integer', minimum: 1, maximum: 20, description: 'How many. Left out: 1.' },
            faults: { type: 'array', items: faultSchema(), description: 'What is broken when the mesh starts.' },
          },
          [],
          'How the mesh is started. Left out: as kubeadm would.',
        ),
        steps: {
          type: 'array',
          items: stepSchema(),
          description: 'What is done to the mesh before anybody looks.',
        },
        expect: {
          type: 'object',
          additionalProperties: false,
          minProperties: 1,
          properties: {
            ...Object.fromEntries(expectKeys().map(key => [key, { $ref: '#/$defs/expectation' }])),
            others: { $ref: '#/$defs/expectation', description: 'Every row that is not named. Left out: ok.' },
          },
          description:
            'What every connection comes to. The most exact key counts: `a -> b`, then `a -> *` and `* -> b`, then `others`.',
        },
        fix: {
          type: 'array',
          items: stepSchema(),
          description:
            'What mends it. Run and checked too: afterwards every connection is ok. Left out: what undoes the faults.',
        },
      },
      ['title', 'story', 'expect'],
      'A failure, what it looks like from both ends, and what mends it.',
    ),
    $defs: { expectation: expectationSchema },
  }
}
