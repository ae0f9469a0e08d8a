/**
 * A day of certificates that live for 60 seconds, by a clock that stands still while somebody is asked for a new one: a whole mesh in
 * this process, a kubelet that renews its client and its serving certificate, and requests that need both. Nothing may fail, nothing
 * may grow. `HOURS=1 npm run bench:short-lives` is a short one.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { type ManualClock, manualClock } from '#clock.ts'
import { type Client, createClientOver } from '#kubernetes/client.ts'
import { createClient } from '#kubernetes/from-kubeconfig.ts'
import { resources } from '#kubernetes/resources.ts'
import type { TokenRequest } from '#kubernetes/types.ts'
import { silentLog } from '#log.ts'
import { startMesh } from '#mesh/launcher.ts'
import { inDir, pairOf } from '#mesh/layout.ts'
import type { Mesh } from '#mesh/mesh.ts'
import { fileBundle } from '#tls/bundle.ts'
import { createDialer } from '#tls/dial.ts'
import { parseCertificate } from '#x509/certificate.ts'
import { certificateBlocks } from '#x509/pem.ts'
import type { Figure } from './run.ts'

const hourMs = 3_600_000
const lifeSeconds = 60
// A tenth of a life is left when the kubelet asks for a new one at the latest (90 %); the clock never jumps over that.
const stepMs = 5000

interface Sample {
  heapMiB: number
  handles: number
  files: number
  csrs: number
  renewals: number
  requests: number
  failed: number
}

export interface ShortLives {
  requests: number
  /** What went wrong with requests, in their words. */
  failures: string[]
  renewals: { client: number; server: number }
  samples: Sample[]
}

/** @param samplesAt how often it is looked at what is held, in hours of the clock */
export async function shortLives({
  hours,
  samplesAt = 0.5,
}: {
  hours: number
  samplesAt?: number
}): Promise<ShortLives> {
  const clock = manualClock()
  const dir = mkdtempSync(join(tmpdir(), 'trustplane-short-lives-'))
  const mesh = await startMesh({
    dir,
    isolation: 'in-process',
    bootstrap: { approveServing: true },
    clock,
    settleMs: 60_000,
    flags: {
      // without it a certificate of a minute begins six minutes before its end, and is due as soon as it is signed
      'kube-controller-manager': [`--cluster-signing-duration=${lifeSeconds}s`, '--cluster-signing-backdate=0s'],
      'extension-apiserver': ['--metric-resolution=1h'],
    },
  })
  const admin = clientOf(mesh, clock)
  try {
    const token = await tokenFor(admin)
    const visit = visitor(mesh, clock, token)
    const result: ShortLives = { requests: 0, failures: [], renewals: { client: 0, server: 0 }, samples: [] }
    const files = { client: currentFile(mesh, 'client'), server: currentFile(mesh, 'server') }
    const known = { client: '', server: '' }
    const look = (kind: 'client' | 'server') => {
      const text = readFileSync(files[kind], 'latin1')
      if (known[kind] !== '' && text !== known[kind]) result.renewals[kind]++
      known[kind] = text
      return parseCertificate(certificateBlocks(text)[0]!).notAfter.getTime()
    }
    /** The clock may go on: nothing would end on the way. */
    const mayGoOn = () => Math.min(look('client'), look('server')) - clock.now().getTime() > stepMs
    const end = clock.now().getTime() + hours * hourMs
    let nextSample = clock.now().getTime() + samplesAt * hourMs
    while (clock.now().getTime() < end) {
      clock.advance(stepMs)
      // while it renews, too
      do {
        result.requests++
        await visit
          .once()
          .catch(error => result.failures.push(`${clock.now().toISOString()} ${(error as Error).message}`))
      } while (!mayGoOn())
      if (clock.now().getTime() >= nextSample) {
        nextSample += samplesAt * hourMs
        const { requests, failures, renewals } = result
        const counted = { requests, failed: failures.length, renewals: renewals.client + renewals.server }
        result.samples.push({ ...(await sample(admin, dir)), ...counted })
      }
    }
    await visit.close()
    return result
  } finally {
    await admin.close()
    await mesh.stop()
    rmSync(dir, { recursive: true, force: true })
  }
}

const common = { component: 'bench', from: 'bench', voice: 'go1.24', log: silentLog } as const
const records = { write() {}, close: async () => {} }

const clientOf = (mesh: Mesh, clock: ManualClock) =>
  createClient({ ...common, to: 'kube-apiserver', clock, records, kubeconfig: mesh.kubeconfig })

const currentFile = ({ layout }: Mesh, kind: 'client' | 'server') =>
  pairOf(layout, 'kubelet', layout.nodes[0]!.name).certificate.replace('-server-', `-${kind}-`)

/** Somebody who may do everything, and shows a token: a kubelet asks kube-apiserver about it, with its own certificate. */
async function tokenFor(admin: Client): Promise<string> {
  const at = { namespace: 'kube-system', name: 'bench' }
  await admin.create(resources.serviceaccounts, { metadata: at })
  await admin.create(resources.clusterrolebindings, {
    metadata: { name: 'bench' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
    subjects: [{ kind: 'ServiceAccount', ...at }],
  })
  const request: TokenRequest = { metadata: {}, spec: { expirationSeconds: 7 * 86_400 } }
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', ...request }
  const answer = await admin.createSubresource<TokenRequest>(resources.serviceaccounts, at, 'token', body)
  return answer.status!.token
}

/** Each visit is a new connection, so that the serving certificate is looked at, by the clock. */
function visitor({ layout }: Mesh, clock: ManualClock, token: string) {
  const file = inDir(layout, 'pki/ca.crt')
  const roots = fileBundle({ file, reader: 'client-go', reload: 'start', log: silentLog })
  const dialer = createDialer({ ...common, to: 'kubelet', clock, records, roots })
  const server = `https://127.0.0.1:${layout.ports.kubelet}`
  const client = createClientOver({ dialer, server, userAgent: 'bench', token: () => token })
  return {
    async once() {
      const answer = await client.raw({ path: '/pods' })
      const text = await answer.text()
      client.renewConnections()
      if (answer.status !== 200) throw new Error(`HTTP ${answer.status}: ${text.slice(0, 200)}`)
    },
    async close() {
      await client.close()
      await dialer.close()
    },
  }
}

// Linux: every socket, file and watch that this process has open
const openFiles = '/proc/self/fd'
let collect: (() => void) | undefined

async function sample(admin: Client, dir: string): Promise<Omit<Sample, 'renewals' | 'requests' | 'failed'>> {
  if (!collect) {
    setFlagsFromString('--expose-gc')
    collect = runInNewContext('gc') as () => void
  }
  // what was closed just now gives its handle back first
  await new Promise(resolve => setTimeout(resolve, 50))
  collect()
  collect()
  return {
    heapMiB: process.memoryUsage().heapUsed / 2 ** 20,
    handles: existsSync(openFiles) ? readdirSync(openFiles).length : process.getActiveResourcesInfo().length,
    // records that grew large are put aside, once for each component
    files: readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter(name => !name.endsWith('.jsonl.1')).length,
    csrs: (await admin.list(resources.csrs)).items.length,
  }
}

/**
 * How much a figure grows: what it comes back to in the second half of the samples, less what it comes back to in the first.
 * Caches that fill and are emptied make teeth, which a line laid through all samples would take for a slope.
 */
export function growth(values: readonly number[]): number {
  const half = Math.floor(values.length / 2)
  return Math.min(...values.slice(half)) - Math.min(...values.slice(0, half))
}

const table = (samples: readonly Sample[], every: number) =>
  [
    '  hour  heap MiB  handles  files  CSRs  renewals  requests  failed',
    ...samples.map((sample, i) => {
      const { heapMiB, handles, files, csrs, renewals, requests, failed } = sample
      const cells = [((i + 1) * every).toFixed(1), heapMiB.toFixed(1), handles, files, csrs, renewals, requests, failed]
      return cells.map((cell, column) => String(cell).padStart([6, 10, 9, 7, 6, 10, 10, 8][column]!)).join('')
    }),
  ].join('\n')

export async function run(): Promise<Figure[]> {
  const hours = Number(process.env.HOURS ?? 24)
  const began = performance.now()
  const { requests, failures, renewals, samples } = await shortLives({ hours, samplesAt: hours / 48 })
  const minutes = (performance.now() - began) / 60_000
  for (const failure of failures.slice(0, 10)) console.error(failure)
  console.error(table(samples, hours / 48))
  // caches fill at first
  const settled = samples.slice(Math.floor(samples.length / 4))
  const figure = (name: string, of: (sample: Sample) => number, unit: string, target: string): Figure => {
    const values = settled.map(of)
    const baseline = `between ${Math.min(...values).toFixed(1)} and ${Math.max(...values).toFixed(1)}`
    return { name, value: growth(values), unit, target, baseline }
  }
  return [
    { name: `${hours} h of ${lifeSeconds} s certificates`, value: minutes, unit: 'min', target: '≤ 10 for 24 h' },
    { name: 'renewals', value: renewals.client + renewals.server, unit: 'certificates' },
    { name: 'requests meanwhile', value: requests, unit: 'requests' },
    { name: 'failed requests', value: failures.length, unit: 'requests', target: '0' },
    figure('growth of the heap', ({ heapMiB }) => heapMiB, 'MiB', '≤ 2'),
    // one that was left open at each visit would make 20,000; idle connections come and go, by the system's clock
    figure('growth of open handles', ({ handles }) => handles, 'handles', '≤ 16'),
    figure('growth of files', ({ files }) => files, 'files', '0'),
    figure('growth of CSRs', ({ csrs }) => csrs, 'objects', '0'),
  ]
}

if (import.meta.main) {
  for (const { name, value, unit, target, baseline } of await run())
    console.log(
      `${name}: ${value.toPrecision(3)} ${unit}${target ? ` (target ${target})` : ''}${baseline ? ` (${baseline})` : ''}`,
    )
}
