/** What a pod finds in its files and variables: ConfigMaps, Secrets, its token and itself. Secrets stay in memory, and out of every log. */
import { messageOf } from '#errors.ts'
import type { Client } from '#kubernetes/client.ts'
import { resources } from '#kubernetes/resources.ts'
import { isNotFound } from '#kubernetes/status.ts'
import type { ConfigMap, Container, KubeObject, Pod, Secret } from '#kubernetes/types.ts'

export type File = () => string | Promise<string>

/** A volume's files by path inside it. */
export type VolumeFiles = ReadonlyMap<string, File>

interface Item {
  key: string
  path: string
}
interface Source {
  name?: string
  secretName?: string
  optional?: boolean
  items?: Item[]
}
interface Projection {
  configMap?: Source
  secret?: Source
  downwardAPI?: { items?: { path: string; fieldRef?: { fieldPath: string } }[] }
  serviceAccountToken?: { path: string; audience?: string; expirationSeconds?: number }
}

/** `configmap "x" not found`, and the like: the pod waits for it. */
class MissingError extends Error {}

// The original's watch-based cache is fresher; this one spares a burst of pods the same request.
const cacheMs = 5000

export class PodSources {
  readonly #client: Client
  readonly #cache = new Map<string, { until: number; value: Promise<Record<string, string> | undefined> }>()

  constructor(client: Client) {
    this.#client = client
  }

  /** @throws MissingError */
  async volume(pod: Pod, volume: NonNullable<Pod['spec']['volumes']>[number]): Promise<VolumeFiles> {
    const { configMap, secret, projected, downwardAPI } = volume as unknown as Projection & {
      projected?: { sources?: Projection[] }
    }
    const projections = projected?.sources ?? [
      { ...(configMap ? { configMap } : {}), ...(secret ? { secret } : {}), ...(downwardAPI ? { downwardAPI } : {}) },
    ]
    const files = new Map<string, File>()
    for (const projection of projections) await this.#project(pod, projection, files)
    return files
  }

  async #project(
    pod: Pod,
    { configMap, secret, downwardAPI, serviceAccountToken }: Projection,
    files: Map<string, File>,
  ) {
    const { namespace = '' } = pod.metadata
    const add = async (kind: 'configmap' | 'secret', { name, secretName, optional, items }: Source) => {
      const data = await this.data(kind, namespace, secretName ?? name ?? '', optional ?? false)
      const wanted = items ?? Object.keys(data).map(key => ({ key, path: key }))
      for (const { key, path } of wanted) {
        const value = data[key]
        if (value !== undefined) files.set(path, () => value)
        else if (!optional) throw new MissingError(`references non-existent ${kind} key: ${key}`)
      }
    }
    if (configMap) await add('configmap', configMap)
    if (secret) await add('secret', secret)
    for (const { path, fieldRef } of downwardAPI?.items ?? []) {
      if (fieldRef) files.set(path, () => fieldOf(pod, fieldRef.fieldPath) ?? '')
    }
    if (serviceAccountToken) files.set(serviceAccountToken.path, () => this.#token(pod, serviceAccountToken))
  }

  /** A TokenRequest bound to the pod: what the kubelet does for every projected token. */
  async #token(
    pod: Pod,
    { audience, expirationSeconds }: NonNullable<Projection['serviceAccountToken']>,
  ): Promise<string> {
    const { namespace = '', name = '', uid } = pod.metadata
    const account = { namespace, name: pod.spec.serviceAccountName ?? 'default' }
    const request = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: {
        audiences: audience ? [audience] : [],
        expirationSeconds: expirationSeconds ?? 3600,
        boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name, uid },
      },
    }
    const answer = await this.#client.createSubresource<KubeObject & { status?: { token?: string } }>(
      resources.serviceaccounts,
      account,
      'token',
      request,
    )
    return answer.status?.token ?? ''
  }

  /** @throws MissingError in the original's words */
  async data(
    kind: 'configmap' | 'secret',
    namespace: string,
    name: string,
    optional: boolean,
  ): Promise<Record<string, string>> {
    const key = `${kind}/${namespace}/${name}`
    let entry = this.#cache.get(key)
    if (!entry || entry.until < performance.now()) {
      entry = { until: performance.now() + cacheMs, value: this.#fetch(kind, namespace, name) }
      this.#cache.set(key, entry)
      if (this.#cache.size > 1000) this.#cache.delete(this.#cache.keys().next().value!)
    }
    try {
      const data = await entry.value
      if (data) return data
    } catch (error) {
      this.#cache.delete(key)
      throw new MissingError(messageOf(error), { cause: error })
    }
    this.#cache.delete(key)
    if (optional) return {}
    throw new MissingError(`${kind} "${name}" not found`)
  }

  async #fetch(
    kind: 'configmap' | 'secret',
    namespace: string,
    name: string,
  ): Promise<Record<string, string> | undefined> {
    try {
      if (kind === 'configmap') {
        const { data = {} }: ConfigMap = await this.#client.get(resources.configmaps, { namespace, name })
        return data
      }
      const { data = {} }: Secret = await this.#client.get(resources.secrets, { namespace, name })
      return Object.fromEntries(Object.entries(data).map(([k, v]) => [k, Buffer.from(v, 'base64').toString('utf8')]))
    } catch (error) {
      if (isNotFound(error)) return undefined
      throw error
    }
  }

  /** A container's variables. @throws MissingError */
  async env(pod: Pod, container: Container, podIp: string): Promise<Map<string, string>> {
    const { namespace = '', name = '' } = pod.metadata
    const env = new Map([
      ['PATH', '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
      ['HOSTNAME', name],
      ['HOME', '/root'],
    ])
    for (const { secretRef, configMapRef, prefix = '' } of (container.envFrom ?? []) as {
      secretRef?: Source
      configMapRef?: Source
      prefix?: string
    }[]) {
      const kind = secretRef ? 'secret' : 'configmap'
      const source = secretRef ?? configMapRef
      const data = await this.data(kind, namespace, source?.name ?? '', source?.optional ?? false)
      for (const [key, value] of Object.entries(data)) env.set(prefix + key, value)
    }
    for (const { name: variable, value, valueFrom } of container.env ?? []) {
      const from = valueFrom as
        | { secretKeyRef?: Source & Item; configMapKeyRef?: Source & Item; fieldRef?: { fieldPath: string } }
        | undefined
      const ref = from?.secretKeyRef ?? from?.configMapKeyRef
      if (ref) {
        const kind = from?.secretKeyRef ? 'secret' : 'configmap'
        const found = (await this.data(kind, namespace, ref.name ?? '', ref.optional ?? false))[ref.key]
        if (found !== undefined) env.set(variable, found)
        else if (!ref.optional)
          throw new MissingError(
            `couldn't find key ${ref.key} in ${kind === 'secret' ? 'Secret' : 'ConfigMap'} ${namespace}/${ref.name}`,
          )
      } else if (from?.fieldRef) {
        env.set(
          variable,
          from.fieldRef.fieldPath === 'status.podIP' ? podIp : (fieldOf(pod, from.fieldRef.fieldPath) ?? ''),
        )
      } else
        env.set(
          variable,
          (value ?? '').replace(/\$\((\w+)\)/g, (all, other: string) => env.get(other) ?? all),
        )
    }
    return env
  }
}

function fieldOf(pod: Pod, path: string): string | undefined {
  const keyed = /^metadata\.(labels|annotations)\['(.+)'\]$/.exec(path)
  if (keyed) return pod.metadata[keyed[1] as 'labels' | 'annotations']?.[keyed[2]!]
  const value = path.split('.').reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], pod)
  if (value !== null && typeof value === 'object')
    return Object.entries(value)
      .map(([key, v]) => `${key}=${JSON.stringify(v)}`)
      .join('\n')
  return value === undefined ? undefined : String(value)
}
