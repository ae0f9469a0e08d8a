/** What an action does to a mesh that runs: files are written whole, components restarted, re-reads and objects awaited. */
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { offsetClock } from '#clock.ts'
import { TrustplaneError } from '#errors.ts'
import { type Client, createClientOver } from '#kubernetes/client.ts'
import { silentLog } from '#log.ts'
import { argvOf } from '#mesh/argv.ts'
import { bootstrap } from '#mesh/bootstrap-client.ts'
import { identityOf, rootsOf } from '#mesh/credentials.ts'
import { addressOf, bundleFile, pairOf } from '#mesh/layout.ts'
import { writeTogether } from '#pki/atomic-write.ts'
import { withLock } from '#pki/lock.ts'
import { type TrustSlot, trustSlotNames } from '#pki/trust-slots.ts'
import type { PkiFiles } from '#pki/types.ts'
import { sameBlock } from './bundles.ts'
import type { Loaded } from './loaded.ts'
import type { PlayedMesh } from './played-mesh.ts'
import { newToken, publicHalf, startPod } from './pods.ts'
import { rereadOf } from './rereads.ts'
import { readIfThere } from './store.ts'
import type { Traffic } from './traffic.ts'
import type { Action } from './types.ts'

/** The apiserver's controllers poll every minute where fsnotify fails; past that nobody has read it. */
const rereadMs = 65_000
const settleMs = 15_000
const halfSeenMs = 5000

export interface Stage {
  mesh: PlayedMesh
  loaded: Loaded
  traffic: Traffic
  /** Files that were written and that components watch: name → who has not read it, with how long its log was then. */
  unread: Map<string, Map<string, number>>
  signal?: AbortSignal
}

/** What came of an action besides its files. */
export async function performLive(stage: Stage, { name, targets }: Action): Promise<void> {
  switch (name) {
    case 'restart':
      // in the order given: two at once would be two that are missing
      for (const component of targets) await restart(stage, component)
      break
    case 'await-reread':
      await Promise.all(targets.map(target => awaitReread(stage, target)))
      break
    case 'apply-ca-bundle':
      await applyObjects(stage)
      for (const slot of targets) stage.loaded.applied(slot)
      break
    case 'await-root-ca':
      for (const slot of targets) await awaitRootCa(stage, slot as TrustSlot)
      break
    case 'restart-pods':
      await startPods(stage)
      break
    case 'renew-tokens':
      await renewTokens(stage)
      break
    case 'bind':
      await applyObjects(stage)
      break
    default:
      break
  }
}

/** Who reads it again, and when: of nodes after the first, that node's kubelet; of a bundle, everybody who has it. */
function readersOf({ layout, members }: PlayedMesh, name: string) {
  const node = layout.plan.certificates.find(row => row.name === name)?.node
  const found = rereadOf(node === undefined ? name : name.slice(0, -node.length - 1))
  const all = members.filter(({ component }) => component === found?.component)
  const isBundle = (trustSlotNames as readonly string[]).includes(name)
  const its = isBundle ? all : all.filter(member => member.node.name === (node ?? layout.nodes[0]!.name))
  return { reread: found?.reread, ids: its.map(({ id }) => id) }
}

/** All of them or none; a component that watches one of them has not read it yet. */
export async function writeFiles(stage: Stage, files: PkiFiles): Promise<void> {
  if (files.size === 0) return
  const { mesh, loaded, unread } = stage
  for (const name of watchedIn(mesh, files)) {
    unread.set(name, new Map(readersOf(mesh, name).ids.map(id => [id, logSize(mesh, id)])))
  }
  await withLock(mesh.dir, () => writeTogether(mesh.dir, files))
  loaded.reread()
}

function watchedIn(mesh: PlayedMesh, files: PkiFiles): string[] {
  const names = [...trustSlotNames, ...mesh.layout.plan.certificates.map(row => row.name)]
  return names.filter(
    name => readersOf(mesh, name).reread === 'watch' && [...files.keys()].includes(pathOf(mesh.layout, name)),
  )
}

/** Relative to the state directory; '' when the plan has no such thing. */
function pathOf(layout: PlayedMesh['layout'], name: string): string {
  const file = (trustSlotNames as readonly string[]).includes(name)
    ? bundleFile(layout, name as TrustSlot)
    : pairOf(layout, name).certificate
  return file?.slice(layout.dir.length + 1) ?? ''
}

/** Members of etcd one after the other, so that there is a quorum; what is on every node, on all of them at once. */
async function restart(stage: Stage, component: string): Promise<void> {
  const [name, node] = component.split('@')
  const ids = stage.mesh.members
    .filter(member => member.component === name && (node === undefined || member.node.name === node))
    .map(({ id }) => id)
  if (name === 'etcd') for (const id of ids) await restartMember(stage, id)
  else await Promise.all(ids.map(id => restartMember(stage, id)))
}

/** @throws TrustplaneError TP_COMPONENT_DIED */
export async function restartMember({ mesh, loaded, traffic, unread, signal }: Stage, id: string): Promise<void> {
  const member = mesh.members.find(one => one.id === id)!
  await member.restart(argvOf(mesh.layout, member))
  await member.settled(settleMs, signal)
  if (member.state === 'dead') {
    throw new TrustplaneError('TP_COMPONENT_DIED', `${id} did not come back: ${member.words ?? 'no words'}`, {
      fix: 'mend the file that it names',
    })
  }
  for (const readers of unread.values()) readers.delete(id)
  loaded.started(id)
  await traffic.restarted(id)
}

/** The logs say so: `Loaded a new CA Bundle and Verifier`, `Loaded a new cert/key pair`, with the file's name. */
async function awaitReread({ mesh, unread, signal }: Stage, name: string): Promise<void> {
  const readers = unread.get(name)
  if (readers === undefined) return
  const path = pathOf(mesh.layout, name)
  const deadline = performance.now() + rereadMs
  const halfSeenUntil = performance.now() + halfSeenMs
  const isBehind = ([id, from]: [string, number]) => {
    const lines = logFrom(mesh, id, from)
      .split('\n')
      .filter(line => line.includes(path))
    if (lines.some(line => /Loaded a new/.test(line))) return false
    const bad = lines.findLast(line => /key failed with/.test(line))
    // a pair is two files: whoever looks between the two renames sees halves, and looks again
    if (!bad || performance.now() < halfSeenUntil) return true
    throw new TrustplaneError('TP_REHEARSAL_STOPPED', `${id} does not take ${path}: ${wordsOf(bad)}`, {
      fix: 'put a whole file there (meanwhile it goes on with the old one)',
    })
  }
  for (;;) {
    const behind = [...readers].find(isBehind)
    if (!behind) break
    signal?.throwIfAborted()
    if (performance.now() > deadline) {
      throw new TrustplaneError('TP_TIMEOUT', `${behind[0]} has not read ${path} again within ${rereadMs / 1000} s`, {
        fix: `look at ${logOf(mesh, behind[0])}, or restart it`,
      })
    }
    await pause(25)
  }
  unread.delete(name)
}

function wordsOf(line: string): string {
  try {
    return (JSON.parse(line) as { err?: string }).err ?? line.trim()
  } catch {
    return line.trim()
  }
}

const logOf = (mesh: PlayedMesh, id: string) => `${mesh.dir}/logs/${id}.log`
const logSize = (mesh: PlayedMesh, id: string) => statSync(logOf(mesh, id), { throwIfNoEntry: false })?.size ?? 0

function logFrom(mesh: PlayedMesh, id: string, from: number): string {
  const fd = openSync(logOf(mesh, id), 'r')
  try {
    const buffer = Buffer.alloc(Math.max(0, fstatSync(fd).size - from))
    return buffer.toString('utf8', 0, readSync(fd, buffer, 0, buffer.length, from))
  } finally {
    closeSync(fd)
  }
}

/** As kubeadm would: bundles in objects, and bindings. */
const applyObjects = ({ mesh }: Stage) =>
  bootstrap({ layout: mesh.layout, clockOffsetMs: mesh.state.clockOffsetMs, voice: mesh.voice })

async function awaitRootCa({ mesh, signal }: Stage, slot: TrustSlot): Promise<void> {
  const wanted = readIfThere(mesh.dir, pathOf(mesh.layout, slot))!
  await withAdmin(mesh, async client => {
    const deadline = performance.now() + 30_000
    for (;;) {
      const answer = await client.raw({
        method: 'GET',
        path: '/api/v1/configmaps',
        signal: AbortSignal.timeout(10_000),
      })
      const { items = [] } = (await answer.json()) as {
        items?: { metadata: { name: string; namespace: string }; data?: Record<string, string> }[]
      }
      const published = items.filter(({ metadata }) => metadata.name === 'kube-root-ca.crt')
      const stale = published.filter(({ data }) => !sameBlock(data?.['ca.crt'] ?? '', wanted))
      if (published.length > 0 && stale.length === 0) return
      signal?.throwIfAborted()
      if (performance.now() > deadline) {
        const where = stale.map(({ metadata }) => metadata.namespace).join(', ') || 'any namespace'
        throw new TrustplaneError(
          'TP_TIMEOUT',
          `kube-root-ca.crt does not hold ${pathOf(mesh.layout, slot)} in ${where}`,
          {
            fix: 'kube-controller-manager publishes it, and reads --root-ca-file only at start: restart it',
          },
        )
      }
      await pause(50)
    }
  })
}

/** They read kube-root-ca.crt, and get a token. */
export async function startPods({ mesh, loaded, signal }: Stage): Promise<void> {
  loaded.pod = await withAdmin(mesh, client => startPod(client, tokenKeyOf(loaded), signal))
}

async function renewTokens({ mesh, loaded }: Stage): Promise<void> {
  const token = await withAdmin(mesh, client => newToken(client, AbortSignal.timeout(10_000)))
  loaded.pod = { ...loaded.pod!, token, tokenKey: tokenKeyOf(loaded) }
}

/** The apiserver signs them, with the key that it read at its start. */
const tokenKeyOf = (loaded: Loaded): string => publicHalf(loaded.text('pki/sa.key'))

/** Runs `action` as kubernetes-admin, with what the files say now. */
export async function withAdmin<T>(mesh: PlayedMesh, action: (client: Client) => Promise<T>): Promise<T> {
  const decided = { name: 'admin.conf', flag: 'kubectl --kubeconfig' }
  const identity = identityOf(mesh.layout, decided)
  const roots = rootsOf(mesh.layout, decided)!
  const { createDialer } = await import('#tls/dial.ts')
  const dialer = createDialer({
    component: 'kubectl',
    from: 'rehearsal',
    to: 'kube-apiserver',
    clock: offsetClock(mesh.state.clockOffsetMs),
    voice: mesh.voice,
    log: silentLog,
    records: { write() {}, close: async () => {} },
    identity,
    roots,
  })
  const { host, port } = addressOf(mesh.layout, 'kube-apiserver')
  const client = createClientOver({ dialer, server: `https://${host}:${port}`, userAgent: 'trustplane-rehearsal' })
  try {
    return await action(client)
  } finally {
    await client.close()
    await dialer.close()
    identity.close()
    roots.close()
  }
}
