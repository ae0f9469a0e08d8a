/** The JSON Schema of a scenario file, made from the tables; scenarios/scenario.schema.json is this, written down for editors. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { componentNames } from '#components/component.ts'
import { connections } from '#mesh/connections.ts'
import { dialPrograms } from '#mesh/settings.ts'
import { packageRoot } from '#pki/package-root.ts'
import { reasons } from '#x509/reasons.ts'
import {
  attributeSchema,
  attributesSchema,
  duration,
  file,
  isPlain,
  mode,
  object,
  oneOrMore,
  type Schema,
  text,
} from './attribute-schema.ts'
import type { Attribute } from './attributes.ts'
import { connectionCondition } from './conditions.ts'
import { faults } from './faults/index.ts'
import { notices } from './notices/index.ts'
import { practices } from './practices.ts'
import { type StepSpec, steps } from './steps.ts'

/** `a -> b`, and with `*` at either end: what `expect` may name. */
function expectKeys(): string[] {
  const names = connections.map(({ from, to }) => `${from} -> ${to}`)
  const ends = connections.flatMap(({ from, to }) => [`* -> ${to}`, `${from} -> *`])
  return [...names, ...new Set(ends)]
}

/** One key, and no more. */
const oneOf = (properties: Schema, description: string): Schema => ({
  ...object(properties, [], description),
  minProperties: 1,
  maxProperties: 1,
})

const faultSchema = (): Schema =>
  oneOf(
    Object.fromEntries(
      faults.map(({ name, summary, attributes }) => [name, attributesSchema(attributes, `Fault: ${summary}.`)]),
    ),
    'One fault, by its name.',
  )

const noticeProperties = (): Schema =>
  Object.fromEntries(
    notices.map(({ name, description, attributes }) => [name, attributesSchema(attributes, description)]),
  )

function stepValue({ kind, attributes, description }: StepSpec): Schema {
  if (attributes) return attributesSchema(attributes, description)
  const one = attributeSchema({ kind: kind!, description } satisfies Attribute)
  return isPlain({ kind: kind! }) ? { ...oneOrMore(one), description } : { ...one, description }
}

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

const expectSchema = (): Schema => ({
  type: 'object',
  additionalProperties: false,
  minProperties: 1,
  properties: {
    ...Object.fromEntries(expectKeys().map(key => [key, { $ref: '#/$defs/expectation' }])),
    others: { $ref: '#/$defs/expectation', description: 'Every row that is not named. Left out: ok.' },
  },
  description:
    'What every connection comes to. The most exact key counts: `a -> b`, then `a -> *` and `* -> b`, then `others`.',
})

const perName = (names: readonly string[], value: Schema, description: string): Schema =>
  object(Object.fromEntries(names.map(name => [name, value])), [], description)

const fileSchema: Schema = {
  type: ['string', 'object'],
  if: { type: 'string' },
  // biome-ignore lint/suspicious/noThenProperty: JSON Schema's keyword
  then: mode('Its mode.'),
  else: object(
    {
      mode: mode('Its mode.'),
      content: { type: 'string', description: 'What it holds.' },
      from: file('The file whose content it gets.'),
      remove: { const: true, description: 'It is not there.' },
    },
    [],
    'What becomes of it.',
  ),
}

function givenSchema(planDefs: Record<string, Schema>): Schema {
  const changes = planDefs.changes!.properties as Record<string, Schema>
  return object(
    {
      plan: text('A plan of certs/, by its name. Left out: kubeadm.'),
      nodes: { type: 'integer', minimum: 1, maximum: 20, description: 'How many. Left out: 1.' },
      faults: { type: 'array', items: { $ref: '#/$defs/fault' }, description: 'What is broken when the mesh starts.' },
      flags: perName(
        [...componentNames, ...dialPrograms],
        { type: 'array', items: text('`--name=value`'), description: 'A list of flags.' },
        'Added to command lines, by component, where the last flag of a name counts. `{dir}` is the state directory.',
      ),
      clock: perName(
        [...componentNames, 'all'],
        duration('How far; `-10m` is behind.'),
        'How far clocks are off when the mesh starts. The certificates are made by the right one.',
      ),
      files: {
        type: 'object',
        propertyNames: file('Which one.'),
        additionalProperties: fileSchema,
        description:
          'Files that are otherwise than the plan makes them, by their path below the state directory: a mode, or what becomes of them.',
      },
      objects: attributeSchema({
        kind: 'objects',
        description: 'Kubernetes objects, applied as admin before anybody looks.',
      }),
      ...Object.fromEntries(
        Object.entries(changes).map(([key, schema]) => [
          key,
          {
            ...schema,
            description:
              schema.description ?? `Changes to the ${key} of the plan, by name: as in a plan’s \`changes\`.`,
          },
        ]),
      ),
    },
    [],
    'How the mesh is started. Left out: as kubeadm would.',
  )
}

export function scenarioSchema(): Schema {
  const { $defs: planDefs } = JSON.parse(readFileSync(join(packageRoot(), 'certs/plan.schema.json'), 'utf8')) as {
    $defs: Record<string, Schema>
  }
  const { changes, ...parts } = planDefs
  const properties = ({ properties }: Schema) => properties as Schema
  const stepList = (description: string): Schema => ({ type: 'array', items: { $ref: '#/$defs/step' }, description })
  const within = duration('How long to wait. Left out: 30s.')
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
        practice: object(
          Object.fromEntries(
            practices.map(({ name, rule }) => [name, { enum: ['kept', 'broken'], description: rule }]),
          ),
          [],
          'A good practice, and whether it is kept here or broken: each is shown both ways.',
        ),
        given: givenSchema(planDefs),
        steps: stepList(
          'What is done to the mesh before anybody looks; with `expect` and `notices` in between, a story of several acts.',
        ),
        expect: { $ref: '#/$defs/expect', description: 'What every connection comes to, with the fault.' },
        notices: {
          type: 'array',
          items: { $ref: '#/$defs/notice' },
          description: 'What people notice, with the fault: looked for after the connections were dialled.',
        },
        fix: stepList(
          'What mends it. Run and checked too: afterwards every connection is ok. Left out: what undoes `given`.',
        ),
      },
      ['title', 'story', 'expect'],
      'A failure, what it looks like from both ends, and what mends it.',
    ),
    $defs: {
      ...parts,
      trust: properties(changes!).trust,
      row: object(
        { ...properties(parts.certificate!), ...properties(parts.authority!) },
        [],
        'Fields of a certificate or an authority, as in a plan.',
      ),
      expectation: expectationSchema,
      expect: expectSchema(),
      fault: faultSchema(),
      notice: oneOf(noticeProperties(), 'One notice, by its name.'),
      condition: {
        ...object(
          {
            ...noticeProperties(),
            connection: attributesSchema(connectionCondition, 'A connection comes to something.'),
            within,
          },
          [],
          'A notice, or what a connection comes to.',
        ),
        minProperties: 1,
        maxProperties: 2,
      },
      step: oneOf(
        Object.fromEntries((steps as readonly StepSpec[]).map(step => [step.name, stepValue(step)])),
        'One step, by its name; what it is done to, one or a list.',
      ),
      object: {
        type: 'object',
        required: ['apiVersion', 'kind', 'metadata'],
        properties: {
          apiVersion: text('`rbac.authorization.k8s.io/v1`'),
          kind: text('`ClusterRoleBinding`'),
          metadata: {
            type: 'object',
            required: ['name'],
            properties: { name: text('Its name.'), namespace: text('Left out: default.') },
            description: 'Name and namespace.',
          },
        },
        description: 'A Kubernetes object, as kubectl takes it.',
      },
    },
  }
}
