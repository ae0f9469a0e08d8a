/** Kubernetes objects, as admin: kubectl's apply, delete and certificate approve, with our own client. */
import { TrustplaneError } from '#errors.ts'
import type { Client } from '#kubernetes/client.ts'
import { resources } from '#kubernetes/resources.ts'
import { StatusError } from '#kubernetes/status.ts'
import type { CertificateSigningRequest } from '#kubernetes/types.ts'
import { adminClient, type Stage } from '../stage.ts'
import type { KubernetesObject } from '../types.ts'

async function withAdmin<T>(stage: Stage, action: (client: Client) => Promise<T>): Promise<T> {
  const client = adminClient(stage)
  try {
    return await action(client)
  } finally {
    await client.close()
  }
}

/** Server-side apply, as `kubectl apply --server-side --force-conflicts`. */
export const applyObjects = (stage: Stage, objects: readonly KubernetesObject[]): Promise<void> =>
  withAdmin(stage, async client => {
    for (const object of objects) {
      const path = `${await pathOf(client, object)}?fieldManager=scenario&force=true`
      const headers = { 'content-type': 'application/apply-patch+yaml' }
      await checked(client, { method: 'PATCH', path, headers, body: JSON.stringify(object) }, object)
    }
  })

export const deleteObjects = (stage: Stage, objects: readonly KubernetesObject[]): Promise<void> =>
  withAdmin(stage, async client => {
    for (const object of objects) {
      await checked(client, { method: 'DELETE', path: await pathOf(client, object) }, object)
    }
  })

async function checked(client: Client, request: Parameters<Client['raw']>[0], object: KubernetesObject): Promise<void> {
  const answer = await client.raw(request)
  const text = await answer.text()
  if (answer.status < 300) return
  throw new TrustplaneError(
    'TP_SCENARIO_FAILED',
    `${request.method} ${object.kind} ${object.metadata.name}: HTTP ${answer.status}, ${wordsOf(text)}`,
  )
}

const wordsOf = (body: string): string => {
  try {
    return (JSON.parse(body) as { message?: string }).message ?? body
  } catch {
    return body
  }
}

/** Where an object of this kind is: the server says, as it does to kubectl. */
async function pathOf(client: Client, { apiVersion, kind, metadata }: KubernetesObject): Promise<string> {
  const base = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`
  const answer = await client.raw({ path: base })
  const list = (await answer.json().catch(() => ({}))) as {
    resources?: { name: string; kind: string; namespaced: boolean }[]
  }
  const resource = list.resources?.find(one => one.kind === kind && !one.name.includes('/'))
  if (!resource) {
    throw new TrustplaneError('TP_SCENARIO_FAILED', `the apiserver has no kind ${kind} in ${apiVersion}`, {
      fix: 'see `kubectl api-resources`',
    })
  }
  const namespace = resource.namespaced ? `/namespaces/${metadata.namespace ?? 'default'}` : ''
  return `${base}${namespace}/${resource.name}/${encodeURIComponent(metadata.name)}`
}

/** @throws TrustplaneError TP_SCENARIO_FAILED when there is none to decide on */
export const decide = (stage: Stage, names: readonly string[], type: 'Approved' | 'Denied'): Promise<void> =>
  withAdmin(stage, async client => {
    const { items } = await client.list(resources.csrs)
    const open = ({ status }: CertificateSigningRequest) =>
      !(status?.conditions ?? []).some(condition => ['Approved', 'Denied'].includes(condition.type))
    const chosen = items.filter(
      item => names.includes(item.metadata.name ?? '') || (names.includes('all') && open(item)),
    )
    if (chosen.length === 0) {
      const known = items.map(item => item.metadata.name).join(', ') || 'none'
      throw new TrustplaneError('TP_SCENARIO_FAILED', `no CSR ${names.join(', ')} to decide on; there are: ${known}`, {
        fix: 'wait for it first: `wait-until: { csr: { is: Pending } }`',
      })
    }
    for (const item of chosen) await decideOn(client, item, type)
  })

async function decideOn(client: Client, item: CertificateSigningRequest, type: 'Approved' | 'Denied'): Promise<void> {
  const condition = { type, status: 'True', reason: `Scenario${type}`, message: 'decided by a step of a scenario' }
  for (let tries = 0; ; tries++) {
    const now = await client.get(resources.csrs, { name: item.metadata.name! })
    const conditions = [...(now.status?.conditions ?? []), condition] as NonNullable<
      CertificateSigningRequest['status']
    >['conditions']
    const decided = { ...now, status: { ...now.status, ...(conditions ? { conditions } : {}) } }
    try {
      await client.updateSubresource(resources.csrs, { name: item.metadata.name! }, 'approval', decided)
      return
    } catch (error) {
      if (!(error instanceof StatusError) || error.code !== 409 || tries > 3) throw error
    }
  }
}
