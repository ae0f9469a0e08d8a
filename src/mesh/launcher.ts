/**
 * Starts a mesh. Processes are forked first and load their code while the certificates are issued; then etcd, the apiserver and the
 * rest get their command lines, each as soon as what it needs is there.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { type Clock, offsetClock } from '#clock.ts'
import { newBootstrapToken } from '#kubernetes/bootstrap-tokens.ts'
import type { Plan, PlanChanges } from '#pki/types.ts'
import type { Voice } from '#x509/types.ts'
import { argvOf } from './argv.ts'
import { sweep } from './down.ts'
import { type Layout, membersOf, nodesOf, type Member as Place } from './layout.ts'
import { Member, stopInOrder } from './member.ts'
import type { Mesh } from './mesh.ts'
import { choosePorts, type PortsOption } from './ports.ts'
import { forkComponent, forkProgram } from './process.ts'
import { goVoiceOf } from './program-voice.ts'
import { apiVersion, claimState, type MeshState, removeState, setAside, thisProcess } from './state.ts'

export interface MeshOptions {
  /** The state directory; left out: a temporary one that goes with the mesh. */
  dir?: string
  /** A plan, its file, or its name in certs/; default `kubeadm`. */
  plan?: string | Plan
  changes?: PlanChanges
  /** Take the PKI in `dir` as it is, half rotated or broken: nothing is made, nothing is checked. */
  asIs?: boolean
  /** Default `random`. */
  ports?: PortsOption
  nodes?: number
  /** Members of etcd, on 127.0.0.1, 127.0.0.2, …; default: as many as the plan has, which is 1. */
  etcdMembers?: number
  /**
   * Nodes begin with nothing but a bootstrap token, and get their certificates by CSR. Serving certificates wait for `kubectl certificate
   * approve`, unless `approveServing`.
   */
  bootstrap?: boolean | { approveServing: boolean }
  /** In-process only: the clock of all components, instead of the system's. */
  clock?: Clock
  /** Each component a process of its own (default), or all of them in this one: quicker, for tests. */
  isolation?: 'process' | 'in-process'
  /** A real etcd in etcd's place: same files, same flags. */
  etcdBinary?: string
  /** Start components again that die. */
  restart?: boolean
  clockOffsetMs?: number
  /** How far the clock is off that the PKI is made by; left out: as all clocks. */
  issuedOffsetMs?: number
  /** Components whose clock is off against the others', in milliseconds. */
  clockOffsets?: Record<string, number>
  voice?: Voice
  /** More flags, by component: the last one counts, and `{dir}` is the state directory. */
  flags?: Record<string, readonly string[]>
  /** Node's own flags for the processes; default: what keeps them small. For many nodes `[]` costs a third less CPU. */
  execArgv?: readonly string[]
  /** How long to wait for a component before going on without it; default 10 s. */
  settleMs?: number
  /** Aborted: stop starting, and leave nothing behind. */
  signal?: AbortSignal
  /** Called when everything is on disk and nothing runs yet. */
  onPrepared?: (layout: Layout) => Promise<void>
  /** `changes` are not written into mesh.json: whoever runs a drill is to find them out. */
  secret?: boolean
  /** Told what is going on while it starts. */
  onProgress?: (line: string) => void
}

/**
 * Resolves when every component serves, or has died, or `settleMs` has passed: a broken mesh is what people come to see, so it is
 * no error (see `mesh.members`).
 * @throws TrustplaneError TP_PORT_IN_USE, TP_ALREADY_RUNNING, and what the plan and the PKI are refused for
 */
export async function startMesh(options: MeshOptions = {}): Promise<Mesh> {
  const {
    voice = 'go1.24',
    clockOffsetMs = 0,
    clockOffsets = {},
    settleMs = 10_000,
    changes = {},
    flags = {},
  } = options
  const temporary = options.dir === undefined
  const dir = options.dir === undefined ? await mkdtemp(join(tmpdir(), 'trustplane-')) : resolve(options.dir)
  const host = '127.0.0.1'
  const nodes = nodesOf(options.nodes ?? 1, host)
  const etcdMembers = options.etcdMembers === undefined ? membersIn(options.plan) : nodesOf(options.etcdMembers, host)
  const joining = options.bootstrap === true ? { approveServing: false } : options.bootstrap
  const bootstrap = joining ? { ...joining, token: newBootstrapToken() } : undefined
  const state: MeshState = {
    apiVersion,
    kind: 'Mesh',
    launcher: thisProcess(),
    ...(temporary ? { temporary: true as const } : {}),
    plan: typeof options.plan === 'object' ? (options.plan.file ?? options.plan.name) : (options.plan ?? 'kubeadm'),
    changes: options.secret ? {} : changes,
    startedAt: new Date(Date.now() + clockOffsetMs).toISOString(),
    clockOffsetMs,
    voice,
    host,
    nodes,
    ...(bootstrap ? { bootstrap: { approveServing: bootstrap.approveServing } } : {}),
    ports: {} as MeshState['ports'],
    components: [],
  }
  const voices: Record<string, Voice> = options.etcdBinary ? { etcd: goVoiceOf(options.etcdBinary) } : {}
  if (options.etcdBinary) state.voices = voices
  const stale = claimState(dir, state)
  const members: Member[] = []
  let chosen: Awaited<ReturnType<typeof choosePorts>> | undefined
  try {
    if (stale) await sweep(stale)
    setAside(dir)
    const runInline = options.isolation === 'in-process' ? (await import('./inline.ts')).runInline : undefined
    const launch = (place: Place) => {
      const logFile = join(dir, 'logs', `${place.id}.log`)
      const run = () => {
        // a scenario may have put the clocks forward since
        const env = environment(dir, state.clockOffsetMs + (clockOffsets[place.component] ?? 0), voice)
        const how = {
          component: place.component,
          logFile,
          env,
          ...(options.execArgv ? { execArgv: options.execArgv } : {}),
        }
        if (place.component === 'etcd' && options.etcdBinary) return forkProgram(options.etcdBinary, how)
        return runInline ? runInline(how, options.clock) : forkComponent(how)
      }
      return new Member({ ...place, logFile, launch: run, restart: options.restart ?? false })
    }
    members.push(...membersOf(nodes, etcdMembers).map(launch))
    // loaded only now: the processes are on their way meanwhile
    const loading = import('./prepare.ts')
    chosen = await choosePorts(options.ports ?? 'random', host)
    state.ports = chosen.ports
    const { prepare } = await loading
    const layout = await prepare({
      dir,
      ports: chosen.ports,
      host,
      nodes,
      plan: options.plan ?? 'kubeadm',
      changes,
      etcdMembers,
      asIs: options.asIs ?? false,
      temporary,
      clock: options.clock ?? offsetClock(options.issuedOffsetMs ?? clockOffsetMs),
      ...(bootstrap ? { bootstrap } : {}),
      flags,
    })
    // a plan that was only now read may have more of them
    const others = membersOf(nodes, layout.plan.cluster.etcdMembers).filter(
      ({ id }) => !members.some(member => member.id === id),
    )
    members.splice(1, 0, ...others.map(launch))
    const start = (member: Member) => member.start(argvOf(layout, member))
    await options.onPrepared?.(layout)
    options.signal?.throwIfAborted()
    // etcd needs nobody; the rest of our own code is loaded while it starts
    for (const member of members) if (member.component === 'etcd') start(member)
    const [{ Mesh }, { begin }] = await Promise.all([import('./mesh.ts'), import('./begin.ts')])
    const mesh = new Mesh({ layout, members, state, voice, voices, clockOffsets, release: chosen.release, temporary })
    await begin(mesh, { start, settleMs, signal: options.signal, onProgress: options.onProgress })
    return mesh
  } catch (error) {
    await stopInOrder(members)
    chosen?.release()
    removeState(dir)
    if (temporary) await rm(dir, { recursive: true, force: true })
    throw error
  }
}

/** Of a plan that is read already; else it is known a little later. */
const membersIn = (plan: string | Plan | undefined) => (typeof plan === 'object' ? plan.cluster.etcdMembers : undefined)

/** Our own settings, by environment, so that the command line stays one that the original accepts. */
const environment = (dir: string, clockOffsetMs: number, voice: Voice): Record<string, string> => ({
  TRUSTPLANE_STATE_DIR: dir,
  TRUSTPLANE_CLOCK_OFFSET: `${clockOffsetMs}ms`,
  TRUSTPLANE_VOICE: voice,
})
