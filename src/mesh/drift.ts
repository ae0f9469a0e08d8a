/**
 * Disk and memory compared: what each component has loaded of its certificate files (`loaded/*.jsonl`), what is on disk now, and
 * whether it will pick that up by itself or needs a restart. By fingerprint: a file that was only touched is the same.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { messageOf } from '#errors.ts'
import { loadKubeconfig, type Source } from '#kubernetes/kubeconfig.ts'
import type { LoadedFile } from '#tls/types.ts'
import { type BundleReader, readBundle } from '#x509/pem.ts'
import { policies, type ReloadRow, reloadRowOf, reloadTable } from './reload.ts'
import { isAlive, type MeshState, readState } from './state.ts'

export interface Drift {
  component: string
  /** What `trustplane restart` takes: the component's name; kubelets and kube-proxies of other nodes are `kubelet@node-2`. */
  id: string
  flag: string
  /** What the component has of it: `serving certificate and key`. */
  holds: string
  file: string
  /**
   * - `same`: what is in memory is what is on disk
   * - `by itself`: disk is newer, and will be read (`when`)
   * - `restart`: disk is newer, and is read at the next start only
   * - `bad`: what is on disk cannot be used (`problem`)
   */
  state: 'same' | 'by itself' | 'restart' | 'bad'
  /** SHA-256 of the first certificate; of what is no certificate, nothing. */
  memory?: string
  disk?: string
  /** When the component reads the file again: `at start only`. */
  when: string
  problem?: string
  /** A sentence: what is the case, and how to go on. */
  says: string
}

/** Of every component that runs and told what it has loaded. Nothing: no component has. */
export function readDrift(dir: string): Drift[] {
  const state = readState(dir)
  const loaded = readLoaded(dir)
  const seen = new Map<string, Drift>()
  for (const entry of loaded) {
    const member = memberOf(state, entry)
    const row = reloadRowOf(entry, member?.argv)
    if (!row) continue
    const found = compare(row, entry, member?.id ?? row.component)
    const key = `${found.id} ${found.flag} ${found.file} ${found.holds}`
    // several clients of one component may hold the same file: one that is behind is what counts
    const before = seen.get(key)
    if (!before || (before.state === 'same' && found.state !== 'same')) seen.set(key, found)
  }
  const order = (row: Drift) =>
    reloadTable.findIndex(({ component, flag }) => component === row.component && flag === row.flag)
  return [...seen.values(), ...untold(state, loaded)].sort((a, b) => order(a) - order(b))
}

/** The last word of every process that lives. */
function readLoaded(dir: string): LoadedFile[] {
  const folder = join(resolve(dir), 'loaded')
  const names = existsSync(folder) ? readdirSync(folder).filter(name => name.endsWith('.jsonl')) : []
  const last = new Map<string, LoadedFile>()
  const lives = new Map<number, boolean>()
  for (const line of names.flatMap(name => readFileSync(join(folder, name), 'utf8').split('\n'))) {
    const entry = parse(line)
    if (!entry) continue
    const { pid, component, end, from = '', to, use, file } = entry
    if (!lives.has(pid)) lives.set(pid, isAlive({ pid }))
    if (lives.get(pid)) last.set([pid, component, end, from, to, use, file].join(' '), entry)
  }
  return [...last.values()]
}

function parse(line: string): LoadedFile | undefined {
  try {
    const entry = JSON.parse(line) as LoadedFile
    return typeof entry.file === 'string' && Array.isArray(entry.sha256) ? entry : undefined
  } catch {
    // half written, by somebody who died
    return undefined
  }
}

/** By its process; where all are in one, by its name. */
function memberOf(state: MeshState | undefined, { component, pid }: LoadedFile) {
  const name = component.replace(/^etcd-peer$/, 'etcd')
  const all = state?.components.filter(row => row.component === name) ?? []
  return all.find(row => row.pid === pid) ?? all[0]
}

function compare(row: ReloadRow, { use, file, sha256, end }: LoadedFile, id: string): Drift {
  const { component, flag, holds } = row
  const policy = policies[row.policy]
  const common = { component, id, flag, holds, file, when: policy.when, ...(sha256[0] ? { memory: sha256[0] } : {}) }
  let disk: string[]
  try {
    disk = use === 'trust' ? bundleOn(file, component, end) : chainOn(file)
  } catch (error) {
    const problem = messageOf(error)
    return {
      ...common,
      state: 'bad',
      problem,
      says: `what is on disk is no good (${problem}): ${policy.bad}. Put a good file there`,
    }
  }
  const shown = { ...common, ...(disk[0] ? { disk: disk[0] } : {}) }
  if (disk.join() === sha256.join()) return { ...shown, state: 'same', says: 'memory and disk are the same' }
  return { ...shown, state: policy.outlook, says: outlookOf(row) }
}

function outlookOf({ component, policy }: ReloadRow): string {
  const { outlook, when } = policies[policy]
  return outlook === 'restart'
    ? `newer on disk, which ${component} reads ${when}: restart it`
    : `newer on disk: ${component} takes it by itself, ${when}`
}

/** @throws Error with what is wrong with it */
function chainOn(file: string): string[] {
  const text = readFileSync(file, 'utf8')
  const pem = isPem(text) ? text : pemOf(loadKubeconfig(file).clientCertificate)
  const chain = (pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? []).map(
    block => new X509Certificate(block),
  )
  if (!chain[0]) throw new Error('tls: failed to find any PEM data in certificate input')
  const keyFile = file.replace(/\.crt$/, '.key')
  if (keyFile !== file && existsSync(keyFile) && !chain[0].checkPrivateKey(createPrivateKey(readFileSync(keyFile)))) {
    throw new Error('tls: private key does not match public key')
  }
  return chain.map(certificate => certificate.fingerprint256.replaceAll(':', '').toLowerCase())
}

function bundleOn(file: string, component: string, end: LoadedFile['end']): string[] {
  const text = readFileSync(file, 'utf8')
  const reader: BundleReader = component.startsWith('etcd') ? 'etcd' : end === 'server' ? 'kube-apiserver' : 'client-go'
  const pem = isPem(text) || /^\s*$/.test(text) ? text : pemOf(loadKubeconfig(file).certificateAuthority)
  return readBundle(pem, reader, { file }).map(({ sha256 }) => sha256)
}

const isPem = (text: string) => text.includes('-----BEGIN ')
const pemOf = (source: Source | undefined): string =>
  source === undefined ? '' : 'data' in source ? source.data : readFileSync(source.file, 'utf8')

/** Files that are read at start only and that no handshake shows (keys of tokens, root-ca-file): by their time. */
function untold(state: MeshState | undefined, loaded: readonly LoadedFile[]): Drift[] {
  if (!state) return []
  return reloadTable.flatMap((row): Drift[] => {
    const { component, flag, holds, policy } = row
    if (row.told || policy !== 'start') return []
    const argv = state.components.find(found => found.component === component)?.argv ?? []
    const file = argv.find(word => word.startsWith(`${flag}=`))?.slice(flag.length + 1)
    const started = loaded.filter(entry => entry.component === component).map(({ systemMs }) => systemMs)
    const changed = file && statSync(file, { throwIfNoEntry: false })?.mtimeMs
    if (!file || started.length === 0) return []
    const common = { component, id: component, flag, holds, file, when: policies[policy].when }
    if (changed === undefined) {
      const problem = `open ${file}: no such file or directory`
      return [{ ...common, state: 'bad' as const, problem, says: `${problem}: ${policies[policy].bad}` }]
    }
    const isNewer = (changed as number) > Math.min(...started)
    return [
      {
        ...common,
        state: isNewer ? ('restart' as const) : ('same' as const),
        says: isNewer ? outlookOf(row) : `not written since ${component} started`,
      },
    ]
  })
}
