/** What a stand-in is, to those who start it: a table of flags and a function that starts it. */
import type { Clock } from '#clock.ts'
import type { Log } from '#log.ts'
import type { RecordSink } from '#tls/types.ts'
import type { Voice } from '#x509/types.ts'
import type { FlagSpec } from './flags.ts'

export const componentNames = [
  'etcd',
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'kubelet',
  'kube-proxy',
  'extension-apiserver',
] as const
export type ComponentName = (typeof componentNames)[number]

/** What `trustplane NAME` runs: a mesh's components, and what is started beside a mesh. */
export const programNames = [...componentNames, 'hollow-node'] as const
export type ProgramName = (typeof programNames)[number]

/** What a component is given by whoever starts it (a process of its own, or a test that runs several in one). */
export interface ComponentContext {
  clock: Clock
  voice: Voice
  log: Log
  records: RecordSink
  /** Aborted when nobody wants it any more: a `start` that still waits for something (etcd) gives up. */
  signal?: AbortSignal
}

export interface RunningComponent {
  /** Where it listens, by purpose: `{ client: {host, port}, peer: … }`, `{ secure: … }`. */
  addresses: Record<string, { host: string; port: number }>
  /** Resolves when it has stopped by itself with an error (lost lease, full disk, …); never, when it does not. */
  failed: Promise<Error>
  /** Stop listening, end every connection, flush what must be on disk. */
  stop(): Promise<void>
}

export interface Component {
  name: ProgramName
  /** One line for --help. */
  summary: string
  flags: readonly FlagSpec[]
  logFormat: 'kubernetes' | 'zap'
  /**
   * Starts by its original's flags; resolves when it serves. No process-wide state: several may run in one process.
   * @throws TrustplaneError for flags and ports; for an unusable certificate file an Error whose message is the original's
   */
  start(argv: readonly string[], context: ComponentContext): Promise<RunningComponent>
}
