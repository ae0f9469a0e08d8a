/**
 * How long it takes a thousand kubelets that have nothing but a bootstrap token to get their certificates by CSR and to register:
 * one hollow-node against a mesh, every component a process of its own. `NODES=100 npm run bench:bootstrap` is a short one.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '#clock.ts'
import { bootstrapTokenSecret, newBootstrapToken } from '#kubernetes/bootstrap-tokens.ts'
import { createClient } from '#kubernetes/from-kubeconfig.ts'
import { createInformer } from '#kubernetes/informer.ts'
import { resources } from '#kubernetes/resources.ts'
import { silentLog } from '#log.ts'
import { bootstrapKubeconfig } from '#mesh/join.ts'
import { startMesh } from '#mesh/launcher.ts'
import { forkComponent } from '#mesh/process.ts'
import type { Figure } from './run.ts'

const nodes = Number(process.env.NODES ?? 1000)
const limitMs = 600_000

export async function run(): Promise<Figure[]> {
  const work = mkdtempSync(join(tmpdir(), 'trustplane-bench-bootstrap-'))
  const dir = join(work, 'mesh')
  const mesh = await startMesh({ dir, execArgv: [], flags: { 'extension-apiserver': ['--metric-resolution=1h'] } })
  const admin = createClient({
    component: 'bench',
    from: 'bench',
    to: 'kube-apiserver',
    clock: systemClock,
    voice: 'go1.24',
    log: silentLog,
    records: { write() {}, close: async () => {} },
    kubeconfig: mesh.kubeconfig,
  })
  const token = newBootstrapToken()
  await admin.create(resources.secrets, bootstrapTokenSecret(token))
  const bootstrap = join(work, 'bootstrap-kubelet.conf')
  writeFileSync(bootstrap, bootstrapKubeconfig(mesh.layout, token), { mode: 0o600 })
  const informer = createInformer({ client: admin, resource: resources.nodes, log: silentLog }).start()
  await informer.synced
  const hollow = forkComponent({
    component: 'hollow-node',
    logFile: join(dir, 'logs/hollow-node.log'),
    env: { TRUSTPLANE_STATE_DIR: dir },
    // a thousand kubelets are no small component
    execArgv: [],
  })
  const pids = new Map([
    ...mesh.members.map(({ id, pid }) => [id, pid!] as const),
    ['hollow-node', hollow.pid!] as const,
  ])
  try {
    const before = new Map([...pids].map(([id, pid]) => [id, cpuSeconds(pid)]))
    const began = performance.now()
    const { promise: done, resolve, reject } = Promise.withResolvers<void>()
    const timer = setTimeout(() => reject(new Error(`${informer.size} nodes after ${limitMs / 1000} s`)), limitMs)
    void hollow.exited.then(({ failure }) => reject(new Error(failure ?? 'hollow-node ended')))
    informer.on('add', () => {
      if (informer.size > nodes) resolve()
    })
    hollow.start([
      `--nodes=${nodes}`,
      '--name=hollow',
      `--bootstrap-kubeconfig=${bootstrap}`,
      `--cert-dir=${join(work, 'nodes')}`,
      `--client-ca-file=${join(dir, 'pki/ca.crt')}`,
      // they report and have pods, but nobody scrapes a thousand servers here
      '--serve=false',
    ])
    await done
    clearTimeout(timer)
    const seconds = (performance.now() - began) / 1000
    const cpu = [...pids].map(([id, pid]) => ({ id, seconds: cpuSeconds(pid) - before.get(id)! }))
    const total = cpu.reduce((sum, { seconds }) => sum + seconds, 0)
    const most = cpu
      .toSorted((a, b) => b.seconds - a.seconds)
      .slice(0, 4)
      .map(({ id, seconds }) => `${id} ${seconds.toFixed(1)}`)
    const { items } = await admin.list(resources.csrs)
    const issued = items.filter(({ status }) => status?.certificate).length
    if (issued < nodes) throw new Error(`${nodes} nodes, but ${issued} certificates`)
    const ready = informer
      .list()
      .filter(({ status }) => status?.conditions?.some(c => c.type === 'Ready' && c.status === 'True'))
    if (ready.length < nodes) throw new Error(`${nodes} nodes, but ${ready.length} are ready`)
    return [
      { name: `${nodes} kubelets from a bootstrap token to a Ready node`, value: seconds, unit: 's', target: '≤ 30' },
      { name: 'CPU of all processes meanwhile', value: total, unit: 's', baseline: most.join(', ') },
      { name: 'CPU for each kubelet', value: (total / nodes) * 1000, unit: 'ms' },
      { name: 'memory of hollow-node for each kubelet', value: pssMiB(hollow.pid!) / nodes, unit: 'MiB' },
    ]
  } finally {
    await informer.stop()
    await hollow.stop()
    await admin.close()
    await mesh.stop()
    rmSync(work, { recursive: true, force: true })
  }
}

/** All threads, user and system. */
function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

const pssMiB = (pid: number) =>
  Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1]) / 1024

if (import.meta.main) {
  for (const { name, value, unit, target, baseline } of await run())
    console.log(
      `${name}: ${value.toPrecision(3)} ${unit}${target ? ` (target ${target})` : ''}${baseline ? ` (${baseline})` : ''}`,
    )
}
