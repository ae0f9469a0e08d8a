/** The replicated log as a member has it in memory: what is behind a snapshot is gone. */
import type { LogEntry } from './messages.ts'

const defaultKeptEntries = 5000

export class RaftLog {
  readonly #kept: number
  #entries: LogEntry[] = []
  /** Of the last entry that is gone. */
  #baseIndex = 0
  #baseTerm = 0

  /** @param kept so many applied entries, at least */
  constructor(kept = defaultKeptEntries) {
    this.#kept = kept
  }

  get baseIndex(): number {
    return this.#baseIndex
  }

  get lastIndex(): number {
    return this.#baseIndex + this.#entries.length
  }

  get lastTerm(): number {
    return this.#entries.at(-1)?.term ?? this.#baseTerm
  }

  /** Undefined: not there, or gone. */
  termAt(index: number): number | undefined {
    return index === this.#baseIndex ? this.#baseTerm : this.#entries[index - this.#baseIndex - 1]?.term
  }

  at(index: number): LogEntry | undefined {
    return this.#entries[index - this.#baseIndex - 1]
  }

  from(index: number, most: number): LogEntry[] {
    const start = index - this.#baseIndex - 1
    return this.#entries.slice(start, start + most)
  }

  /** What is there from its index on was another leader's, and goes. */
  put(entry: LogEntry): void {
    this.#entries.length = Math.min(this.#entries.length, entry.index - this.#baseIndex - 1)
    this.#entries.push(entry)
  }

  /** Everything up to here is in a snapshot. */
  reset(index: number, term: number): void {
    this.#entries = []
    this.#baseIndex = index
    this.#baseTerm = term
  }

  /** Lets go of old entries, none after `applied`. */
  trim(applied: number): void {
    const excess = applied - this.#kept - this.#baseIndex
    // not one by one: each time costs a copy
    if (excess < this.#kept) return
    this.#baseTerm = this.termAt(this.#baseIndex + excess)!
    this.#entries = this.#entries.slice(excess)
    this.#baseIndex += excess
  }
}
