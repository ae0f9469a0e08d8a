/**
 * One member's etcdserver: it checks a request, makes it durable (when there is a journal), applies it, and answers. What
 * is journalled are the requests, in order; applying them again gives the same store. A request that could not be made
 * durable is never applied, so nothing that was read can be lost, and a full disk leaves the reads alone.
 */
import { TrustplaneError } from '#errors.ts'
import type { ClusterInfo } from './cluster.ts'
import { etcdError } from './errors.ts'
import type { Entry, Journal, SnapshotData } from './journal.ts'
import { Leases } from './leases.ts'
import type { Replica, ReplicaOptions } from './raft/replica.ts'
import { Store } from './store.ts'
import { checkDeleteRange, checkPut, checkRange, checkTxn, isReadOnly } from './txn-check.ts'
import type {
  CompactionRequest,
  DeleteRangeRequest,
  DeleteRangeResponse,
  PutRequest,
  PutResponse,
  RangeRequest,
  RangeResponse,
  RequestOp,
  TxnRequest,
  TxnResponse,
} from './types.ts'
import { type Send, Watches, type WatchStream } from './watch.ts'

export interface ServerOptions {
  cluster: ClusterInfo
  /** `--max-txn-ops` */
  maxTxnOps: number
  /** `--max-request-bytes` */
  maxRequestBytes: number
  /** `--quota-backend-bytes` */
  quotaBytes: number
  progressIntervalMs: number
}

/** Without a journal the answer is there at once; with one, when it is durable. */
export type Answer<T> = T | Promise<T>

export class EtcdServer {
  readonly cluster: ClusterInfo
  readonly leases = new Leases()
  readonly store: Store = new Store(this.leases)
  readonly watches: Watches
  readonly options: ServerOptions
  /** Space quota exceeded: until it is disarmed, only what frees space is taken. */
  noSpace = false
  /** Entries proposed so far: etcd's raft index. */
  raftIndex = 0
  /** Entries on their way to the disk. */
  pending = 0
  /** Other members that answered the last probe. */
  activePeers = 0
  /** Of a cluster: with the others. One member alone has none. */
  replica: Replica | undefined
  readonly #lost = new Set<() => void>()
  #leaving = false
  /** For metrics. */
  readonly counts = { range: 0, put: 0, delete: 0, txn: 0, failed: 0 }
  #journal: Journal | undefined

  constructor(options: ServerOptions) {
    this.options = options
    this.cluster = options.cluster
    this.watches = new Watches(this.store, {
      fragmentBytes: options.maxRequestBytes,
      progressIntervalMs: options.progressIntervalMs,
    })
  }

  /** Takes what the journal kept, and from now on writes to it. */
  async recover(journal: Journal): Promise<void> {
    if (this.replica) {
      await this.replica.recover(journal)
      return
    }
    const { snapshot, entries } = await journal.load()
    if (snapshot?.raftTerm !== undefined) throw otherCluster()
    if (snapshot) this.#restore(snapshot)
    for (const entry of entries) {
      if (entry.raft) throw otherCluster()
      this.raftIndex++
      try {
        this.#apply(entry)
      } catch {
        // it was refused the first time too, and answered so
      }
    }
    this.#journal = journal
    journal.onSnapshotDue(() => this.snapshot())
  }

  #restore(snapshot: SnapshotData): void {
    for (const { id, ttl } of snapshot.leases) this.leases.grant(id, ttl)
    this.store.restore(snapshot.revision, snapshot.compactRevision, snapshot.records)
    this.raftIndex = snapshot.raftIndex
    this.noSpace = snapshot.noSpace
  }

  /** With several members: what it says to the others goes through `send`. Before `recover`. */
  replicate(
    make: (options: ReplicaOptions) => Replica,
    options: Pick<ReplicaOptions, 'heartbeatMs' | 'electionMs' | 'send'>,
  ): void {
    const { cluster } = this
    const { self, members } = cluster
    this.replica = make({
      ...options,
      self: self.name,
      others: members.filter(member => member !== self).map(({ name }) => name),
      isFirst: cluster.first === self.id,
      apply: entry => {
        this.raftIndex++
        return this.#apply(entry)
      },
      takeSnapshot: () => this.snapshot(),
      restore: data => {
        this.store.clear()
        this.leases.clear()
        this.#restore(data)
        this.watches.rewind()
      },
      onLeader: (leader, term) => {
        cluster.leader = members.find(({ name }) => name === leader)?.id ?? 0n
        cluster.raftTerm = term
        // the leader's clock decides when a lease is over; a new one lets each begin anew
        if (leader === self.name) this.#keepLeases()
        else this.leases.stop()
      },
      onLost: () => {
        for (const tell of [...this.#lost]) tell()
      },
      keepAlive: lease => this.leases.keepAlive(lease),
    })
  }

  get hasLeader(): boolean {
    return this.replica?.hasLeader ?? true
  }

  get leaderChanges(): number {
    return this.replica?.leaderChanges ?? 1
  }

  /** Called when this member has had no leader for a while. @returns stops that */
  onLost(tell: () => void): () => void {
    this.#lost.add(tell)
    return () => void this.#lost.delete(tell)
  }

  async start(): Promise<void> {
    if (this.replica) await this.replica.start()
    else this.#keepLeases()
  }

  #keepLeases(): void {
    this.leases.start(async ids => {
      for (const id of ids) {
        try {
          await this.leaseRevoke(id)
        } catch {
          // revoked by somebody else meanwhile, or the disk is full: then the lease is looked at again a little later
          this.leases.postpone(id)
        }
      }
    })
  }

  /** Of several members: leadership goes to another, what is under way is answered, and nothing more is taken. */
  async leave(): Promise<void> {
    const { replica } = this
    if (!replica) return
    await replica.leave()
    this.#leaving = true
    await replica.idle()
  }

  async stop(): Promise<void> {
    this.leases.stop()
    this.watches.stop()
    await this.replica?.stop()
    await this.#journal?.close()
  }

  /** All that is needed to go on from here. Records are immutable, so this is a copy of references. */
  snapshot(): SnapshotData {
    return {
      revision: this.store.revision,
      compactRevision: this.store.compactRevision,
      raftIndex: this.raftIndex,
      noSpace: this.noSpace,
      leases: this.leases.all(),
      records: this.store.records(),
    }
  }

  // KV

  range(request: RangeRequest): Answer<RangeResponse> {
    checkRange(request)
    this.counts.range++
    return request.serializable ? this.store.range(request) : this.#read(() => this.store.range(request))
  }

  /** With everything that was answered before in it, by any member. */
  #read<T>(read: () => T): Answer<T> {
    if (this.#leaving) throw etcdError('stopped')
    const { replica } = this
    return !replica || replica.raft.isCertain ? read() : replica.readable().then(read)
  }

  put(request: PutRequest): Answer<PutResponse> {
    checkPut(request)
    this.#checkSize(request.key.length + (request.value?.length ?? 0))
    return this.#propose({ put: request }, true)
  }

  deleteRange(request: DeleteRangeRequest): Answer<DeleteRangeResponse> {
    checkDeleteRange(request)
    return this.#propose({ deleteRange: request })
  }

  txn(request: TxnRequest): Answer<TxnResponse> {
    checkTxn(request, this.options.maxTxnOps)
    if (isReadOnly(request)) return this.#read(() => this.store.txn(request))
    this.#checkSize(txnBytes(request))
    return this.#propose({ txn: request }, hasPut(request))
  }

  compact(request: CompactionRequest): Answer<void> {
    return this.#propose({ compaction: request })
  }

  // leases

  /** @param id 0n: any free one */
  leaseGrant(id: bigint, ttl: number): Answer<{ id: bigint; ttl: number }> {
    return this.#propose({ leaseGrant: { id: id === 0n ? this.leases.newId() : id, ttl } }, true)
  }

  leaseRevoke(id: bigint): Answer<void> {
    return this.#propose({ leaseRevoke: { id } })
  }

  /** @returns the TTL in seconds; 0 when there is no such lease */
  keepAlive(id: bigint): Answer<number> {
    return this.replica ? this.replica.keepAlive(id) : this.leases.keepAlive(id)
  }

  // watches

  watch(send: Send): WatchStream {
    return this.watches.open(send)
  }

  // alarms

  alarm(action: 'ACTIVATE' | 'DEACTIVATE'): Answer<void> {
    return this.#propose({ alarm: { noSpace: action === 'ACTIVATE' } })
  }

  // membership: it is what the flags say, so every change is refused, in etcd's words

  memberAdd(peerUrls: readonly string[]): never {
    if (peerUrls.length === 0 || !peerUrls.every(isPeerUrl)) throw etcdError('memberBadUrls')
    const known = this.cluster.members.some(member => member.peerUrls.some(url => peerUrls.includes(url)))
    throw etcdError(known ? 'peerUrlExists' : 'notEnoughStarted')
  }

  memberRemove(id: bigint): never {
    throw etcdError(this.#hasMember(id) ? 'notEnoughStarted' : 'memberNotFound')
  }

  memberUpdate(id: bigint): never {
    throw etcdError(this.#hasMember(id) ? 'notEnoughStarted' : 'memberNotFound')
  }

  memberPromote(id: bigint): never {
    throw etcdError(this.#hasMember(id) ? 'memberNotLearner' : 'memberNotFound')
  }

  moveLeader(target: bigint): Answer<void> {
    const { members, leader, self } = this.cluster
    const to = members.find(({ id }) => id === target)
    if (!to) throw etcdError('badLeaderTransferee')
    if (target === leader) return undefined
    if (leader !== self.id) throw etcdError('notLeader')
    return this.replica?.raft.handOver(to.name)
  }

  #hasMember(id: bigint): boolean {
    return this.cluster.members.some(member => member.id === id)
  }

  /** What the data takes on disk: at least etcd's first pages. */
  get dbSize(): number {
    return Math.max(20_480, Math.ceil(this.store.size / 4096) * 4096)
  }

  #checkSize(bytes: number): void {
    if (bytes > this.options.maxRequestBytes) throw etcdError('requestTooLarge')
  }

  /** @param grows it takes space, so it is refused while there is none */
  #propose<T>(entry: Entry, grows = false): Answer<T> {
    if (grows) {
      if (!this.noSpace && this.store.size > this.options.quotaBytes) this.noSpace = true
      if (this.noSpace) throw etcdError('noSpace')
    }
    if (this.#leaving) throw etcdError('stopped')
    if (this.replica) return this.replica.propose<T>(entry)
    if (!this.#journal) {
      this.raftIndex++
      return this.#apply(entry) as T
    }
    const journal = this.#journal
    this.pending++
    return new Promise((resolve, reject) => {
      journal.append(entry, error => {
        this.pending--
        if (error) {
          this.counts.failed++
          reject(error)
          return
        }
        this.raftIndex++
        try {
          resolve(this.#apply(entry) as T)
        } catch (refused) {
          reject(refused)
        }
      })
    })
  }

  get journalBytes(): number {
    return this.#journal?.bytes ?? 0
  }

  #apply(entry: Entry): unknown {
    if (entry.put) {
      this.counts.put++
      return this.store.put(entry.put)
    }
    if (entry.txn) {
      this.counts.txn++
      return this.store.txn(entry.txn)
    }
    if (entry.deleteRange) {
      this.counts.delete++
      return this.store.deleteRange(entry.deleteRange)
    }
    if (entry.compaction) return this.store.compact(entry.compaction.revision)
    if (entry.leaseGrant) {
      const { id, ttl } = entry.leaseGrant
      return { id, ttl: this.leases.grant(id, ttl) }
    }
    if (entry.leaseRevoke) {
      // the keys' own detach must still find the lease gone: revoke first
      const keys = this.leases.revoke(entry.leaseRevoke.id)
      return this.store.deleteKeys(keys)
    }
    if (entry.alarm) this.noSpace = entry.alarm.noSpace
    return undefined
  }
}

const otherCluster = () =>
  new TrustplaneError('TP_DATA_DIR_INVALID', 'etcd: --data-dir holds the data of one of several members', {
    fix: 'give another --data-dir, or start it with --initial-cluster as before',
  })

/** etcd wants http, https or unix URLs with a port and no path. */
function isPeerUrl(text: string): boolean {
  const url = URL.parse(text)
  return url !== null && /^(https?|unixs?):$/.test(url.protocol) && url.pathname === '/' && /:\d+$/.test(text)
}

const opsOf = (request: TxnRequest): RequestOp[] => [...(request.success ?? []), ...(request.failure ?? [])]

function txnBytes(request: TxnRequest): number {
  let bytes = 0
  for (const { put, txn } of opsOf(request)) {
    if (put) bytes += put.key.length + (put.value?.length ?? 0)
    if (txn) bytes += txnBytes(txn)
  }
  for (const { key, value = '' } of request.compare ?? []) bytes += key.length + value.length
  return bytes
}

const hasPut = (request: TxnRequest): boolean => opsOf(request).some(({ put, txn }) => put || (txn && hasPut(txn)))
