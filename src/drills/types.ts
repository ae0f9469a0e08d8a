/** The words of this room. */
import type { ConnectionStatus } from '#mesh/status.ts'
import type { Scenario } from '#scenarios/types.ts'

export type Level = 1 | 2 | 3

/** A scenario that can be a drill: broken from the start, and mended with what a person at the machine has. */
export interface Drill {
  /** Says nothing of the cause: `drill-3fa2`. */
  id: string
  level: Level
  /** What people notice, without why. */
  symptoms: readonly string[]
  scenario: Scenario
}

/** `drill.json`: what is remembered between commands. */
export interface DrillState {
  apiVersion: string
  kind: 'Drill'
  id: string
  level: Level
  seed: number
  /** The scenario's file in base64: whoever lists the folder does not read the answer. */
  answer: string
  startedAt: string
  hints: number
  checks: number
  solvedAt?: string
}

/** What is not as it should be, after the learner's repair. */
export interface DrillCheck {
  solved: boolean
  /** Every connection, dialled afresh with the files and flags of now. */
  rows: readonly ConnectionStatus[]
  /** Components that do not run, or have not read what is on disk. */
  components: readonly string[]
  /** How the repair lets in, or believes, more than before the fault. */
  loosened: readonly string[]
  hints: number
  checks: number
}
