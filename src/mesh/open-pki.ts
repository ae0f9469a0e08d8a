/**
 * A PKI to look at: a plan (issued into a folder that goes again, without its keys' files), or a directory, which may be a node's
 * /etc/kubernetes: what is trusted there is in the static pods' manifests.
 */
import { existsSync, statSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import type { Clock } from '#clock.ts'
import { TrustplaneError } from '#errors.ts'
import { loadKubeconfig } from '#kubernetes/kubeconfig.ts'
import { issuePki } from '#pki/issue.ts'
import { loadPlan } from '#pki/plan.ts'
import { planRecord, recordedPlan } from '#pki/plan-record.ts'
import { hasManifests } from '#pki/static-pods.ts'
import type { Plan } from '#pki/types.ts'
import { type Layout, nodesOf } from './layout.ts'
import { planByManifests } from './manifests.ts'
import { defaultPorts } from './ports.ts'

export interface OpenPki extends AsyncDisposable {
  /** As it was asked for. */
  name: string
  kind: 'plan' | 'directory'
  layout: Layout
}

/**
 * @param where a plan of certs/ by its name, a plan's file, a state directory, or a Kubernetes folder with its pki/
 * @throws TrustplaneError TP_PKI_MISSING, and what a plan is refused for
 */
export async function openPki(where: string, clock: Clock): Promise<OpenPki> {
  return statSync(where, { throwIfNoEntry: false })?.isDirectory() ? openDirectory(where) : issued(where, clock)
}

async function openDirectory(where: string): Promise<OpenPki> {
  const dir = folderOf(where)
  const isOurs = existsSync(join(dir, planRecord))
  const recorded = await recordedPlan(dir)
  const plan = !isOurs && hasManifests(dir) ? await planByManifests(recorded, dir) : recorded
  const hosts = isOurs ? {} : await hostsOf(dir)
  const place = { dir, ports: defaultPorts, host: plan.cluster.advertiseAddress, nodes: plan.cluster.nodes }
  return { name: where, kind: 'directory', layout: { plan, hosts, ...place }, async [Symbol.asyncDispose]() {} }
}

/** The folder itself, or the one above when it is its pki/. */
function folderOf(where: string): string {
  const dir = resolve(where)
  if (existsSync(join(dir, 'pki')) || existsSync(join(dir, planRecord))) return dir
  if (basename(dir) === 'pki') return dirname(dir)
  throw new TrustplaneError('TP_PKI_MISSING', `${where} holds no PKI: neither pki/ nor ${planRecord} is in it`, {
    fix: 'give a state directory, a node’s /etc/kubernetes, a plan’s file, or the name of one in certs/',
    at: { file: where },
  })
}

/** Where a node's clients dial: the apiserver by their kubeconfigs, etcd on the node itself (kubeadm's --etcd-servers). */
async function hostsOf(dir: string): Promise<Layout['hosts']> {
  const local = { etcd: '127.0.0.1' }
  try {
    const { hostname } = new URL(loadKubeconfig(join(dir, 'admin.conf')).server)
    return { ...local, 'kube-apiserver': hostname.replace(/^\[|\]$/g, '') }
  } catch {
    return local
  }
}

const issued = async (where: string, clock: Clock): Promise<OpenPki> => issuePlan(await loadPlan(where), where, clock)

/** A plan's PKI, made for a look at it. */
export async function issuePlan(plan: Plan, name: string, clock: Clock): Promise<OpenPki> {
  const files = await issuePki(plan, clock)
  const dir = await mkdtemp(join(tmpdir(), 'trustplane-'))
  await Promise.all(
    [...files].map(async ([path, { content, mode }]) => {
      if (path.endsWith('.key')) return
      await mkdir(dirname(join(dir, path)), { recursive: true, mode: 0o700 })
      await writeFile(join(dir, path), content, { mode })
    }),
  )
  const layout: Layout = { plan, dir, ports: defaultPorts, host: '127.0.0.1', hosts: {}, nodes: nodesOf(1) }
  return { name, kind: 'plan', layout, [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }) }
}
