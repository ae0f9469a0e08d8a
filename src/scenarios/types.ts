/** The words of this room: what a scenario file says, and what came of running it. Pure data. */
import type { PlanChanges } from '#pki/types.ts'
import type { End, Layer } from '#tls/types.ts'
import type { Reason } from '#x509/reasons.ts'

/** A scenario as written. Every key is described in scenarios/scenario.schema.json. */
export interface ScenarioDocument {
  title: string
  story: string
  source?: string | string[]
  given?: GivenDocument
  steps?: StepDocument[]
  expect: ExpectDocument
  fix?: StepDocument[]
}

export interface GivenDocument {
  /** A plan of certs/, by its name; default kubeadm. */
  plan?: string
  nodes?: number
  /** One key each: the fault's name, with its attributes. */
  faults?: Record<string, FaultAttributes>[]
}

export type FaultAttributes = Record<string, string | string[]>

/** One key each: the step's name, with what it is done to. */
export type StepDocument = Record<string, string | string[]>

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
  plan: string
  nodes: number
  faults: readonly { name: string; attributes: FaultAttributes }[]
  steps: readonly Step[]
  expect: ExpectDocument
  fix: readonly Step[]
}

export interface Step {
  name: string
  targets: readonly string[]
}

/** What the faults come to: how the mesh is started. */
export interface Given {
  changes: PlanChanges
  /** Appended to a component's command line: the last one wins, as with the originals. */
  flags: Record<string, string[]>
  /** How far a component's clock is off, in milliseconds. */
  clockOffsets: Record<string, number>
}
