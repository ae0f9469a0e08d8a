/** The words of this room: what a rehearsal's file says, and what came of a step. Pure data. */
import type { ConnectionStatus } from '#mesh/status.ts'
import type { Plan, PlanChanges } from '#pki/types.ts'
import type { ActionName } from './actions.ts'

/** A rehearsal as written. Every key is described in scenarios/rehearsals/rehearsal.schema.json. */
export interface RehearsalDocument {
  title: string
  story: string
  source?: string | string[]
  given?: { plan?: string; changes?: object; without?: string[] }
  becomes?: PlanChanges
  replaces?: ReplacesDocument[]
  steps: StepDocument[]
  wrongOrders?: (WrongDocument & { swap: [string, string] })[]
}

interface ReplacesDocument {
  old: string
  /** Left out: an authority of the same name, in the same place. */
  new?: string
}

interface StepDocument {
  name: string
  does: string
  source?: string
  do: ActionDocument[]
  whenSkipped: WrongDocument
}

/** One key each: the action's name, with what it is done to. */
type ActionDocument = Record<string, string | string[]>

/** What goes wrong, by one of three: `breaks` with `at`, `stops`, or `harmless`. */
export interface WrongDocument {
  /** Connections: `a -> b`, `* -> b`, `a -> *`. */
  breaks?: string[]
  /** The step after which they are broken. */
  at?: string
  /** The step that cannot be done then. */
  stops?: string
  /** Nothing breaks by it now; why it is there all the same. */
  harmless?: string
  why?: string
}

export interface Action {
  name: ActionName
  targets: readonly string[]
}

export interface Step {
  name: string
  does: string
  source?: string
  actions: readonly Action[]
  whenSkipped: WrongDocument
}

/** An authority, a self-signed certificate that is pinned, or a key pair, that is replaced by another. */
export interface Replaced {
  old: string
  new: string
  kind: 'authority' | 'certificate' | 'keyPair'
}

export interface Rehearsal {
  /** The file's name without extension. */
  name: string
  file: string
  title: string
  story: string
  sources: readonly string[]
  /** What the mesh is started with: every trust slot has a file of its own. */
  plan: Plan
  /** What certificates are issued by: the plan with `becomes` in it. */
  target: Plan
  /** What makes the one the other. */
  becomes?: PlanChanges
  /** Objects that a cluster would not have at this point: names of ClusterRoleBindings. */
  without: readonly string[]
  replaces: readonly Replaced[]
  steps: readonly Step[]
  wrongOrders: readonly (WrongDocument & { swap: readonly [string, string] })[]
}

/** `–`: the rehearsal does not touch it. */
export type Generation = 'old' | 'new' | 'both' | '–'

export interface RowState {
  from: string
  to: string
  /** Whose certificates the two ends show. */
  on: Generation
  /** Whose they believe. */
  trusts: Generation
  state: 'ok' | 'failed'
  requests: number
  /** Answered well, after nobody had answered for a while. */
  retried: number
  failed: number
  /** The words of both ends, when it failed. */
  client?: string
  server?: string
  /** What people notice, when it failed. */
  notice?: string
  refusedBy?: ConnectionStatus['refusedBy']
}

export interface StepResult {
  step: string
  does: string
  /** Forwards, or on the way back. */
  direction: 'forward' | 'back'
  /** `already`: the certificates say that it has been done. */
  outcome: 'done' | 'already' | 'stopped'
  /** How it could not be done, in words. */
  error?: string
  /** What to do then. */
  fix?: string
  /** Components that ended by themselves meanwhile, with their last words. */
  died: readonly string[]
  rows: readonly RowState[]
  seconds: number
  /** From the files, not from a mesh. */
  predicted: boolean
}
