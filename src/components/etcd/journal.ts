/** What the server journals, and what a journal is to it. `data-dir.ts` has the one on disk. */
import type { LogEntry } from './raft/messages.ts'
import type { HardState } from './raft/raft.ts'
import type { CompactionRequest, DeleteRangeRequest, KeyValue, PutRequest, TxnRequest } from './types.ts'

/** One request that changes something; one field is set. */
export interface Entry {
  put?: PutRequest
  deleteRange?: DeleteRangeRequest
  txn?: TxnRequest
  compaction?: CompactionRequest
  leaseGrant?: { id: bigint; ttl: number }
  leaseRevoke?: { id: bigint }
  alarm?: { noSpace: boolean }
  /** Of a cluster: what Raft keeps on disk, one field set. The requests are in its entries. */
  raft?: { state?: HardState; entry?: LogEntry; snapshot?: { payloads: readonly string[] } }
}

export interface SnapshotData {
  revision: number
  compactRevision: number
  raftIndex: number
  /** Of a cluster: of the entry at `raftIndex`, and what Raft knew. */
  raftTerm?: number
  raftState?: HardState
  /** The log behind it. */
  raftRest?: readonly LogEntry[]
  noSpace: boolean
  leases: readonly { id: bigint; ttl: number }[]
  records: readonly KeyValue[]
}

export interface Journal {
  /** What was kept, oldest first. */
  load(): Promise<{ snapshot: SnapshotData | undefined; entries: Iterable<Entry> }>
  /** `done` is called in the order of `append`, when the entry is on disk, or with the error when it is not and never will be. */
  append(entry: Entry, done: (error?: Error) => void): void
  /** Written so far by this process. */
  readonly bytes: number
  /** `take` is called when the journal has grown enough; it gives the state that all entries so far led to. */
  onSnapshotDue(take: () => SnapshotData): void
  close(): Promise<void>
}
