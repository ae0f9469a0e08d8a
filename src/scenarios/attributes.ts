/** What faults, steps and notices are told, and what a value must be: the schema and the loader are made from these. */
import { componentNames } from '#components/component.ts'
import { connectionNames, connections } from '#mesh/connections.ts'
import { dialPrograms } from '#mesh/settings.ts'
import { trustSlotNames } from '#pki/trust-slots.ts'

export type AttributeKind =
  /** A certificate or kubeconfig of the plan. */
  | 'certificate'
  | 'authority'
  | 'authorities'
  /** Where somebody's certificate is checked: a slot of the plan's `trust`. */
  | 'slot'
  | 'component'
  /** One of the mesh's. */
  | 'node'
  /** A component, or a program that only dials. */
  | 'program'
  /** A component, or `all`. */
  | 'clock'
  /** The word `everything`. */
  | 'everything'
  /** `kube-apiserver -> etcd` */
  | 'connection'
  /** Who asks: a component, a certificate or kubeconfig of the plan, `admin` or `anonymous`. */
  | 'who'
  /** Whom: a name of the table's second column. */
  | 'whom'
  /** With its unit: `1d`, `90m`. */
  | 'duration'
  | 'text'
  | 'texts'
  | 'number'
  /** A path below the state directory. */
  | 'file'
  /** `0644` */
  | 'mode'
  /** A word of a list: `values`. */
  | 'word'
  /** Name → text. */
  | 'map'
  /** File → mode. */
  | 'modes'
  /** File → file. */
  | 'files'
  /** Certificate, kubeconfig or authority → fields of a plan's row. */
  | 'rows'
  /** Trust slot → authorities. */
  | 'trust'
  /** Kubernetes objects. */
  | 'objects'
  | 'fault'
  | 'expectation'
  | 'expectations'
  | 'notices'
  /** A notice, or a connection's state; and `within`. */
  | 'condition'

export interface Attribute {
  kind: AttributeKind
  description: string
  optional?: boolean
  /** Of a `word`. */
  values?: readonly string[]
}

export type Attributes = Readonly<Record<string, Attribute>>

/** Who may ask besides what the plan names. */
export const askers: readonly string[] = [
  ...new Set([...connections.map(({ from }) => from), ...componentNames, 'admin', 'anonymous']),
]

const askedOnes: readonly string[] = [...new Set(connections.map(({ to }) => to))]

/** Kinds whose words do not depend on the plan. */
export const fixedWords: Partial<Record<AttributeKind, readonly string[]>> = {
  component: componentNames,
  program: [...componentNames, ...dialPrograms],
  clock: [...componentNames, 'all'],
  everything: ['everything'],
  slot: trustSlotNames,
  connection: connectionNames,
  whom: askedOnes,
}
