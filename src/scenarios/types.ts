/** The words of this room: what a scenario file says, and what came of running it. Pure data. */
import type { PlanChanges } from '#pki/types.ts'
import type { End, Layer } from '#tls/types.ts'
import type { Reason } from '#x509/reasons.ts'

/** A scenario as written. Every key is described in scenarios/scenario.schema.json. */
export interface ScenarioDocument {
  title: string
  story: string
  source?: string | string[]
  /** A row of practices.ts → whether it is kept here. */
  practice?: Record<string, 'kept' | 'broken'>
  given?: GivenDocument
  steps?: StepDocument[]
  expect: ExpectDocument
  notices?: NoticeDocument[]
  fix?: StepDocument[]
}

/** Changes to the plan, by name, stand beside the rest: `certificates`, `trust`, … */
export interface GivenDocument extends PlanChanges {
  /** A plan of certs/, by its name; default kubeadm. */
  plan?: string
  nodes?: number
  /** One key each: the fault's name, with its attributes. */
  faults?: Record<string, FaultAttributes>[]
  flags?: Record<string, string[]>
  /** A component, or `all` → how far its clock is off: `364d`, `-10m`. */
  clock?: Record<string, string>
  /** A mode (`0644`), or what becomes of it. */
  files?: Record<string, string | FileDocument>
  /** One or more Kubernetes objects. */
  objects?: KubernetesObject | KubernetesObject[]
}

export interface FileDocument {
  mode?: string
  content?: string
  /** Another file below the state directory. */
  from?: string
  remove?: boolean
}

export interface KubernetesObject {
  apiVersion: string
  kind: string
  metadata: { name: string; namespace?: string }
  [key: string]: unknown
}

export type FaultAttributes = Record<string, string | string[]>

/** One key each: the step's name, with what it is done to. */
type StepDocument = Record<string, unknown>

/** One key each: the notice's name, with its attributes. */
export type NoticeDocument = Record<string, NoticeAttributes>
export type NoticeAttributes = Readonly<Record<string, unknown>>

/** Keys: `a -> b`, `* -> b`, `a -> *`, and `others`. The most exact one counts. */
export type ExpectDocument = Record<string, Expectation>

export type Expectation =
  | 'ok'
  | 'unreachable'
  /** Whatever happens: for rows that depend on chance, such as who had tried again by then. */
  | 'any'
  | {
      refusedBy: End
      layer?: Layer
      reason?: Reason
      /** A part of what each end says. */
      words?: { client?: string; server?: string }
    }

export interface Scenario {
  /** The file's name without extension; its path below scenarios/ tells two apart. */
  name: string
  file: string
  /** The folder: `etcd`, `identity`, … */
  group: string
  title: string
  story: string
  sources: readonly string[]
  practice: Readonly<Record<string, 'kept' | 'broken'>>
  plan: string
  nodes: number
  faults: readonly { name: string; attributes: FaultAttributes }[]
  /** What stands under `given` besides plan, nodes and faults. */
  more: GivenDocument
  steps: readonly Step[]
  expect: ExpectDocument
  notices: readonly Notice[]
  fix: readonly Step[]
}

export interface Step {
  name: string
  /** What it is done to, when that is a name or a list of names. */
  targets: readonly string[]
  /** As written, when it is more than names. */
  value?: unknown
}

export interface Notice {
  name: string
  attributes: NoticeAttributes
}

/** What the faults and the rest of `given` come to: how the mesh is started. */
export interface Given {
  changes: PlanChanges
  /** Appended to a component's command line: the last one wins, as with the originals. */
  flags: Record<string, string[]>
  /** How far a component's clock is off, in milliseconds. */
  clockOffsets: Record<string, number>
  /** How far all clocks are off; what the PKI was made by is not. */
  clockOffsetMs?: number
  /** What becomes of files when the PKI is made and nothing runs yet; path below the state directory. */
  files?: Record<string, FileChange>
  /** Applied as admin, once the mesh runs. */
  objects?: KubernetesObject[]
}

export interface FileChange {
  mode?: number
  /** What it holds then, or what is made of the rest of the state directory. */
  content?: string | Uint8Array | ((dir: string) => string | Promise<string>)
  /** Another file below the state directory, whose content it gets. */
  from?: string
  remove?: boolean
}
