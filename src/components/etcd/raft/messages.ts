/** What members say to each other, as one JSON value a request and one an answer. Names are members' names. */
import type { Entry } from '../journal.ts'

export interface LogEntry {
  index: number
  term: number
  /** Who proposed it, so that this member can answer its client when it is applied. */
  tag?: string
  /** Left out: a new leader's first entry, which commits what was before it. */
  entry?: Entry
}

export type Message =
  | {
      type: 'append'
      term: number
      leader: string
      previousIndex: number
      previousTerm: number
      entries: readonly LogEntry[]
      commit: number
    }
  | { type: 'vote'; term: number; candidate: string; lastIndex: number; lastTerm: number; pre: boolean; force: boolean }
  | { type: 'snapshot'; term: number; leader: string; lastIndex: number; lastTerm: number; payloads: readonly string[] }
  /** Campaign now: the leader is going. */
  | { type: 'timeout-now'; term: number }
  | { type: 'propose'; tag: string; entry: Entry }
  /** Up to where must a read see? */
  | { type: 'read-index' }
  | { type: 'keep-alive'; lease: bigint }

export interface Answer {
  term: number
  /** Taken, granted. */
  ok: boolean
  /** - of an append: the last entry that is certain to be the same, or where to try next - of a read: the index */
  index?: number
  ttl?: number
}
