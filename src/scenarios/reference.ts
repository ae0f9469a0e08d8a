/** The tables of docs/scenarios.md, from those that the loader and the runner read. */
import type { Attributes } from './attributes.ts'
import { connectionCondition } from './conditions.ts'
import { faults } from './faults/index.ts'
import { notices } from './notices/index.ts'
import { scenarioSchema } from './schema.ts'
import { type StepSpec, steps } from './steps.ts'

interface Described {
  properties?: Record<string, Described>
  description?: string
}

export interface ReferenceTable {
  headers: string[]
  rows: string[][]
}

/** What a value looks like, by an attribute's kind. */
const looks: Readonly<Record<string, string>> = {
  certificate: 'certificate or kubeconfig',
  slot: 'trust slot',
  program: 'component',
  clock: 'component, or `all`',
  everything: '`everything`',
  who: 'component, certificate, kubeconfig, `admin` or `anonymous`',
  whom: 'component',
  texts: 'list of texts',
  authorities: 'list of authorities',
  map: '`name: text`',
  modes: "`file: '0644'`",
  files: '`file: file`',
  rows: '`certificate: { field: … }`',
  trust: '`slot: [authority]`',
  objects: 'Kubernetes objects',
  fault: 'a fault',
  expectation: '`ok`, `unreachable` or a refusal',
  expectations: 'as `expect`',
  notices: 'as `notices`',
  condition: 'a notice, or `connection`; and `within`',
}

const lookOf = (kind: string) => looks[kind] ?? kind

const attributeList = (attributes: Attributes): string =>
  Object.entries(attributes)
    .map(([name, { kind, description, optional, values }]) => {
      const what = values ? values.map(word => `\`${word}\``).join(' ') : lookOf(kind)
      return `**${name}** (${what}${optional ? ', optional' : ''}): ${description}`
    })
    .join('<br>')

export const referenceTables: Readonly<Record<string, () => ReferenceTable>> = {
  'scenario-keys': () => keyTable(scenarioSchema() as Described),
  'scenario-given': () => keyTable((scenarioSchema() as Described).properties!.given!),
  'scenario-faults': () => ({
    headers: ['fault', 'what is wrong then', 'it is told'],
    rows: faults.map(({ name, summary, attributes }) => [`\`${name}\``, summary, attributeList(attributes)]),
  }),
  'scenario-steps': () => ({
    headers: ['step', 'what it does', 'it is told'],
    rows: (steps as readonly StepSpec[]).map(({ name, description, kind, attributes }) => [
      `\`${name}\``,
      description,
      attributes ? attributeList(attributes) : lookOf(kind!),
    ]),
  }),
  'scenario-notices': () => ({
    headers: ['notice', 'where it is looked for', 'it is told'],
    rows: [
      ...notices.map(({ name, description, attributes }) => [`\`${name}\``, description, attributeList(attributes)]),
      [
        '`connection`',
        'Dials a connection. Only for `wait-until`: `expect` judges them.',
        attributeList(connectionCondition),
      ],
    ],
  }),
}

const keyTable = ({ properties = {} }: Described): ReferenceTable => ({
  headers: ['key', 'what it says'],
  rows: Object.entries(properties).map(([key, { description }]) => [`\`${key}\``, description ?? '']),
})
