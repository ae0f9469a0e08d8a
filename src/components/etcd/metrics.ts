/** `/metrics` under etcd's names. Counts are plain numbers kept where things happen; prom-client is loaded when somebody first asks. */
import type { EtcdServer } from './etcd-server.ts'

/** gRPC's names of its codes, by number (google.golang.org/grpc/codes). */
const codeNames: Readonly<Record<number, string>> = {
  0: 'OK',
  1: 'Canceled',
  2: 'Unknown',
  3: 'InvalidArgument',
  5: 'NotFound',
  8: 'ResourceExhausted',
  9: 'FailedPrecondition',
  11: 'OutOfRange',
  12: 'Unimplemented',
  14: 'Unavailable',
}

/** etcd's buckets for disk times: 1 ms to 8.192 s. */
const fsyncBuckets = Array.from({ length: 14 }, (_, i) => 0.001 * 2 ** i)

export class Metrics {
  readonly #server: EtcdServer
  /** By `service/method`, as `etcdserverpb.KV/Range`, then by code. */
  readonly #handled = new Map<string, Map<number, number>>()
  readonly #fsyncs = { counts: fsyncBuckets.map(() => 0), sum: 0, count: 0 }
  #render: (() => Promise<string>) | undefined

  constructor(server: EtcdServer) {
    this.#server = server
  }

  /** A call ended; the gateway's count, too, since etcd's are gRPC calls to itself. */
  handled(method: string, code: number): void {
    let codes = this.#handled.get(method)
    if (!codes) {
      codes = new Map()
      this.#handled.set(method, codes)
    }
    codes.set(code, (codes.get(code) ?? 0) + 1)
  }

  /** The journal was synced to disk in so many seconds. */
  fsync(seconds: number): void {
    const { counts } = this.#fsyncs
    for (let i = counts.length - 1; i >= 0 && seconds <= fsyncBuckets[i]!; i--) counts[i]!++
    this.#fsyncs.sum += seconds
    this.#fsyncs.count++
  }

  async text(): Promise<string> {
    this.#render ??= await this.#registry()
    return (await this.#render()) + this.#fsyncText()
  }

  async #registry(): Promise<() => Promise<string>> {
    const { Counter, Gauge, Registry, collectDefaultMetrics } = await import('prom-client')
    const register = new Registry()
    collectDefaultMetrics({ register })
    const server = this.#server
    const { store, leases, watches, cluster } = server
    const gauges: readonly (readonly [name: string, help: string, value: () => number])[] = [
      [
        'etcd_server_has_leader',
        'Whether or not a leader exists. 1 is existence, 0 is not.',
        () => Number(server.hasLeader),
      ],
      [
        'etcd_server_is_leader',
        'Whether or not this member is a leader. 1 if is, 0 otherwise.',
        () => Number(cluster.leader === cluster.self.id),
      ],
      ['etcd_server_is_learner', 'Whether or not this member is a learner. 1 if is, 0 otherwise.', () => 0],
      [
        'etcd_server_proposals_committed_total',
        'The total number of consensus proposals committed.',
        () => server.raftIndex,
      ],
      [
        'etcd_server_proposals_applied_total',
        'The total number of consensus proposals applied.',
        () => server.raftIndex,
      ],
      ['etcd_server_proposals_pending', 'The current number of pending proposals to commit.', () => server.pending],
      [
        'etcd_server_quota_backend_bytes',
        'Current backend storage quota size in bytes.',
        () => server.options.quotaBytes,
      ],
      [
        'etcd_mvcc_db_total_size_in_bytes',
        'Total size of the underlying database physically allocated in bytes.',
        () => server.dbSize,
      ],
      [
        'etcd_mvcc_db_total_size_in_use_in_bytes',
        'Total size of the underlying database logically in use in bytes.',
        () => store.size,
      ],
      ['etcd_debugging_mvcc_keys_total', 'Total number of keys.', () => store.keyCount],
      ['etcd_debugging_mvcc_current_revision', 'The current revision of store.', () => store.revision],
      [
        'etcd_debugging_mvcc_compact_revision',
        'The revision of the last compaction in store.',
        () => store.compactRevision,
      ],
      ['etcd_debugging_mvcc_watcher_total', 'Total number of watchers.', () => watches.size],
      ['etcd_debugging_mvcc_watch_stream_total', 'Total number of watch streams.', () => watches.streams],
      ['etcd_network_active_peers', 'The current number of active peer connections.', () => server.activePeers],
      ['etcd_debugging_lease_total', 'Leases that are there now.', () => leases.size],
    ]
    for (const [name, help, value] of gauges) {
      new Gauge({
        name,
        help,
        registers: [register],
        collect() {
          this.set(value())
        },
      })
    }
    const counts = server.counts
    const counters: readonly (readonly [name: string, help: string, value: () => number])[] = [
      ['etcd_server_leader_changes_seen_total', 'The number of leader changes seen.', () => server.leaderChanges],
      ['etcd_server_proposals_failed_total', 'The total number of failed proposals seen.', () => counts.failed],
      ['etcd_mvcc_range_total', 'Total number of ranges seen by this member.', () => counts.range],
      ['etcd_mvcc_put_total', 'Total number of puts seen by this member.', () => counts.put],
      ['etcd_mvcc_delete_total', 'Total number of deletes seen by this member.', () => counts.delete],
      ['etcd_mvcc_txn_total', 'Total number of txns seen by this member.', () => counts.txn],
      ['etcd_debugging_mvcc_events_total', 'Total number of events sent by this member.', () => watches.events],
      ['etcd_disk_wal_write_bytes_total', 'Total number of bytes written in WAL.', () => server.journalBytes],
    ]
    for (const [name, help, value] of counters) {
      const collect = function (this: InstanceType<typeof Counter>) {
        this.reset()
        this.inc(value())
      }
      new Counter({ name, help, registers: [register], collect })
    }
    new Gauge({
      name: 'etcd_server_version',
      help: 'Which version is running.',
      labelNames: ['server_version'],
      registers: [register],
    }).set({ server_version: cluster.version }, 1)
    new Gauge({
      name: 'etcd_cluster_version',
      help: 'Which version is running.',
      labelNames: ['cluster_version'],
      registers: [register],
    }).set({ cluster_version: cluster.clusterVersion.replace(/\.0$/, '') }, 1)
    const handled = this.#handled
    new Counter({
      name: 'grpc_server_handled_total',
      help: 'Total number of RPCs completed on the server, regardless of success or failure.',
      labelNames: ['grpc_code', 'grpc_method', 'grpc_service', 'grpc_type'],
      registers: [register],
      collect() {
        this.reset()
        for (const [path, codes] of handled) {
          const [grpc_service = '', grpc_method = ''] = path.split('/')
          const grpc_type = streaming[path] ?? 'unary'
          for (const [code, count] of codes) {
            this.inc({ grpc_code: codeNames[code] ?? 'Unknown', grpc_method, grpc_service, grpc_type }, count)
          }
        }
      },
    })
    return () => register.metrics()
  }

  #fsyncText(): string {
    const name = 'etcd_disk_wal_fsync_duration_seconds'
    const { counts, sum, count } = this.#fsyncs
    const buckets = fsyncBuckets.map((le, i) => `${name}_bucket{le="${le}"} ${counts[i]}\n`).join('')
    return (
      `\n# HELP ${name} The latency distributions of fsync called by WAL.\n# TYPE ${name} histogram\n` +
      `${buckets}${name}_bucket{le="+Inf"} ${count}\n${name}_sum ${sum}\n${name}_count ${count}\n`
    )
  }
}

const streaming: Readonly<Record<string, string>> = {
  'etcdserverpb.Watch/Watch': 'bidi_stream',
  'etcdserverpb.Lease/LeaseKeepAlive': 'bidi_stream',
  'etcdserverpb.Maintenance/Snapshot': 'server_stream',
}
