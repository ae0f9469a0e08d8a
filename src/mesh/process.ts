/** One component as a process of its own: forked at once, started when its files are there, watched until it ends. */
import { type ChildProcess, fork } from 'node:child_process'
import { closeSync, fstatSync, mkdirSync, openSync, readSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { packageRoot } from '#pki/package-root.ts'

export type Addresses = Record<string, { host: string; port: number }>

export interface Exit {
  code: number | null
  signal: NodeJS.Signals | null
  /** What it said itself before it ended, in the original's words. */
  failure?: string
}

/** A component that runs, in whichever way: what the launcher holds in its hand. */
export interface Running {
  readonly pid: number | undefined
  /** Sends the command line; the component serves soon after. */
  start(argv: readonly string[]): void
  /** Resolves when it serves; rejects never (see `exited`). */
  readonly ready: Promise<Addresses>
  /** Resolves when it has ended, however that came. */
  readonly exited: Promise<Exit>
  /** Puts its clock at this offset while it runs. A real program has none to put. */
  setClock?(offsetMs: number): void
  /** Asks it to stop, and makes it after a while. */
  stop(): Promise<void>
}

export interface ProcessOptions {
  component: string
  /** Where its stderr goes, appended. */
  logFile: string
  /** Our own settings, which its original's command line has no place for. */
  env: Record<string, string>
  /** For Node; default: what keeps a component small. */
  execArgv?: readonly string[]
}

const fromSources = import.meta.url.endsWith('.ts')
/** The bundle by way of bin/, so that `ps` shows `trustplane.js kube-apiserver`; from the sources, a file that does only that. */
const entry = () => (fromSources ? fileURLToPath(new URL('./child.ts', import.meta.url)) : cliEntry().entry)

/** How the command line itself is started: the file, and the words before the command. */
export const cliEntry = (): { entry: string; before: string[] } =>
  fromSources
    ? { entry: fileURLToPath(new URL('./child.ts', import.meta.url)), before: ['cli'] }
    : { entry: join(packageRoot(), 'bin/trustplane.js'), before: [] }

/**
 * Seven processes of Node weigh 375 MiB (PSS) as they come and 252 MiB with these, for the same CPU time until everything is green
 * (Node 24.21, two cores): a small young generation, no helper threads of V8's with their stacks and arenas, less code inlined.
 */
const smallFootprint = ['--max-semi-space-size=2', '--single-threaded', '--optimize-for-size']

/**
 * glibc's own defaults, said outright: then it does not raise them while bundles are read, gives memory back, and seven processes weigh
 * 210 MiB instead of 275.
 */
const returnMemory = { MALLOC_TRIM_THRESHOLD_: '131072', MALLOC_MMAP_THRESHOLD_: '131072' }

/**
 * Code is compiled once: V8's cache is kept for later runs. A component has one of its own, because Node writes a file's entry once, with the
 * functions that its first user had called: shared, the others would compile theirs again at every start (a tenth of the CPU time of `up`).
 */
export const compileCache = (): string =>
  process.env.NODE_COMPILE_CACHE ?? join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'trustplane')

export function forkComponent(options: ProcessOptions): Running {
  mkdirSync(dirname(options.logFile), { recursive: true, mode: 0o700 })
  const log = openSync(options.logFile, 'a', 0o600)
  // NODE_OPTIONS: a test runner's hooks triple the time to start. NODE_EXTRA_CA_CERTS: a stand-in trusts its bundle, nothing else.
  const { NODE_OPTIONS: _, NODE_EXTRA_CA_CERTS: __, ...inherited } = process.env
  const child = fork(entry(), [options.component], {
    env: {
      ...returnMemory,
      ...inherited,
      NODE_COMPILE_CACHE: join(compileCache(), options.component),
      TRUSTPLANE_WAIT: '1',
      ...options.env,
    },
    execArgv: [...(options.execArgv ?? smallFootprint)],
    stdio: ['ignore', log, log, 'ipc'],
    serialization: 'json',
    // a session of its own: Ctrl-C is the launcher's to handle, the children see the channel close
    detached: true,
  })
  closeSync(log)
  return watch(child)
}

/** A real program in a component's place: same flags, same files. It serves when its log says so (etcd 3.4 and newer: `ready to serve client requests`). */
export function forkProgram(program: string, options: ProcessOptions): Running {
  const running = forkComponent({ ...options, component: 'guard' })
  const begin = logSize(options.logFile)
  let over = false
  running.exited.then(() => {
    over = true
  })
  const ready = Promise.withResolvers<Addresses>()
  return {
    ...running,
    ready: ready.promise,
    start(argv) {
      running.start([program, ...argv])
      const look = () => {
        if (over) return
        if (readLog(options.logFile, begin).includes('ready to serve client requests')) ready.resolve(addressesIn(argv))
        else setTimeout(look, 20)
      }
      look()
    },
  }
}

function addressesIn(argv: readonly string[]): Addresses {
  const url = (flag: string) =>
    new URL(argv.find(word => word.startsWith(`--${flag}=`))?.split('=')[1] ?? 'https://127.0.0.1:0')
  const address = ({ hostname, port }: URL) => ({ host: hostname, port: Number(port) })
  return { client: address(url('listen-client-urls')), peer: address(url('listen-peer-urls')) }
}

function watch(child: ChildProcess): Running {
  let failure: string | undefined
  const ready = Promise.withResolvers<Addresses>()
  const exited = Promise.withResolvers<Exit>()
  child.on('message', message => {
    const { type, addresses, message: words } = message as { type?: string; addresses?: Addresses; message?: string }
    if (type === 'ready') ready.resolve(addresses ?? {})
    if (type === 'failed') failure = words
  })
  const end = (code: number | null, signal: NodeJS.Signals | null) =>
    exited.resolve({ code, signal, ...(failure === undefined ? {} : { failure }) })
  child.once('exit', end)
  child.once('error', error => {
    failure ??= error.message
    if (child.pid === undefined) end(null, null)
  })
  const ended = () => child.exitCode !== null || child.signalCode !== null || child.pid === undefined
  return {
    pid: child.pid,
    ready: ready.promise,
    exited: exited.promise,
    start(argv) {
      // a child that just died has no channel; `exited` tells
      if (child.connected) child.send({ type: 'start', argv }, () => {})
    },
    setClock(offsetMs) {
      if (child.connected) child.send({ type: 'clock', offsetMs }, () => {})
    },
    async stop() {
      if (ended()) return
      child.kill('SIGTERM')
      const force = setTimeout(() => child.kill('SIGKILL'), 3000)
      await exited.promise
      clearTimeout(force)
    },
  }
}

/** The last lines of a log: what a component that died has said. JSON lines are shown by their words. */
export const lastWords = (logFile: string, lines = 3): string =>
  readLog(logFile, Math.max(0, logSize(logFile) - 16_384))
    .trimEnd()
    .split('\n')
    .slice(-lines)
    .map(wordsOf)
    .join('\n')

function logSize(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0
}

/** From `offset` on; '' when it is not there. */
function readLog(file: string, offset: number): string {
  let fd: number
  try {
    fd = openSync(file, 'r')
  } catch {
    return ''
  }
  try {
    const buffer = Buffer.alloc(Math.max(0, fstatSync(fd).size - offset))
    const length = readSync(fd, buffer, 0, buffer.length, offset)
    return buffer.toString('utf8', 0, length)
  } finally {
    closeSync(fd)
  }
}

function wordsOf(line: string): string {
  try {
    const { msg, err, error } = JSON.parse(line) as { msg?: string; err?: string; error?: string }
    const cause = err ?? error
    if (msg !== undefined) return cause ? `${msg}: ${cause}` : msg
  } catch {}
  return line
}
