/** APIServices that somebody else serves: their connections, whether they can be used, and what they add to discovery. */
import { isDeepStrictEqual } from 'node:util'
import { messageOf } from '#errors.ts'
import { time } from '#kubernetes/time.ts'
import type { Unstructured } from '#kubernetes/types.ts'
import { memoryBundle } from '#tls/bundle.ts'
import { createDialer } from '#tls/dial.ts'
import { joinHostPort } from '#tls/errors.ts'
import type { Dialer, IdentitySource } from '#tls/types.ts'
import type { ComponentContext } from '../../component.ts'
import { array, at, number, text } from '../columns/values.ts'
import { resourceOf } from '../resources/table.ts'
import { StoreInformer } from '../storage/informer.ts'
import type { Store } from '../storage/store.ts'
import { keyFor } from '../verbs/keys.ts'
import { systemRoots } from './roots.ts'
import { resolveService, ServiceProblem, type ServiceReference } from './services.ts'

/** AvailableConditionController's resync. */
const checkEveryMs = 30_000
const checkTimeoutMs = 5_000

/** One of them, as its spec says now. */
export interface RemoteApi {
  name: string
  group: string
  version: string
  service: ServiceReference
  priority: { group: number; version: number }
  dialer: Dialer
  spec: unknown
  /** From the last check; what discovery shows. */
  available: boolean
  resources: unknown[]
}

export interface RemoteApis {
  informer: StoreInformer
  find(group: string, version: string): RemoteApi | undefined
  all(): RemoteApi[]
  close(): Promise<void>
}

export function watchApiServices(
  store: Store,
  context: ComponentContext,
  proxyIdentity: IdentitySource | undefined,
): RemoteApis {
  const apis = new Map<string, RemoteApi>()
  const timers = new Map<string, NodeJS.Timeout>()
  const drop = (name: string) => {
    clearTimeout(timers.get(name))
    timers.delete(name)
    void apis.get(name)?.dialer.close()
    apis.delete(name)
  }
  const informer = new StoreInformer(store, resourceOf('apiregistration.k8s.io', 'apiservices'), {
    put(object) {
      const { name = '' } = object.metadata
      if (at(object, 'spec', 'service') === undefined) return drop(name)
      if (isDeepStrictEqual(apis.get(name)?.spec, object.spec)) return
      drop(name)
      const api = remoteApi(object, context, proxyIdentity)
      apis.set(name, api)
      void check(api)
    },
    remove: object => drop(object.metadata.name ?? ''),
  })

  async function check(api: RemoteApi): Promise<void> {
    const outcome = await availability(store, api)
    if (apis.get(api.name) !== api) return
    api.available = outcome.status === 'True'
    if (outcome.resources) api.resources = outcome.resources
    await report(store, api.name, outcome, context.clock.now()).catch(error =>
      context.log.error('Error updating APIService', error, { name: api.name }),
    )
    if (apis.get(api.name) !== api) return
    // Soon after a failure, then as the original resyncs.
    timers.set(api.name, setTimeout(() => void check(api), api.available ? checkEveryMs : 1000).unref())
  }

  return {
    informer,
    find: (group, version) => apis.get(`${version}.${group}`),
    all: () => [...apis.values()],
    async close() {
      informer.stop()
      for (const name of [...apis.keys()]) drop(name)
    },
  }
}

function remoteApi(object: Unstructured, context: ComponentContext, identity: IdentitySource | undefined): RemoteApi {
  const { spec } = object
  const service = {
    namespace: text(spec, 'service', 'namespace'),
    name: text(spec, 'service', 'name'),
    port: number(spec, 'service', 'port') || 443,
  }
  const caBundle = text(spec, 'caBundle')
  const dialer = createDialer({
    ...context,
    component: 'kube-apiserver',
    from: 'kube-apiserver',
    to: 'extension-apiserver',
    roots: memoryBundle(caBundle ? Buffer.from(caBundle, 'base64').toString('latin1') : systemRoots()),
    servername: `${service.name}.${service.namespace}.svc`,
    ...(identity ? { identity } : {}),
    // The APIService itself says so (spec.insecureSkipTLSVerify); the record does, too.
    ...(at(spec, 'insecureSkipTLSVerify') === true ? { insecureSkipVerify: true } : {}),
  })
  return {
    name: object.metadata.name ?? '',
    group: text(spec, 'group'),
    version: text(spec, 'version'),
    service,
    priority: { group: number(spec, 'groupPriorityMinimum'), version: number(spec, 'versionPriority') },
    dialer,
    spec,
    available: false,
    resources: [],
  }
}

interface Availability {
  status: 'True' | 'False'
  reason: string
  message: string
  resources?: unknown[]
}

async function availability(store: Store, { service, dialer, group, version }: RemoteApi): Promise<Availability> {
  let url = ''
  try {
    const { host, port } = await resolveService(store, service)
    const origin = `https://${joinHostPort(host, port)}`
    const path = `/apis/${group}/${version}`
    url = `${origin}${path}`
    const { statusCode, body } = await dialer.agent.request({
      origin,
      path,
      method: 'GET',
      // Who asks is the aggregator itself: available_controller.go.
      headers: {
        'x-remote-user': 'system:kube-aggregator',
        'x-remote-group': 'system:masters',
        accept: 'application/json',
      },
      signal: AbortSignal.timeout(checkTimeoutMs),
    })
    const answer = await body.text()
    if (statusCode < 200 || statusCode >= 300) throw new Error(`bad status from ${url}: ${statusCode}`)
    return {
      status: 'True',
      reason: 'Passed',
      message: 'all checks passed',
      resources: array(JSON.parse(answer), 'resources'),
    }
  } catch (error) {
    if (error instanceof ServiceProblem) return { status: 'False', reason: error.reason, message: error.message }
    const why = messageOf(error)
    const words = why.startsWith('bad status') ? why : `Get ${JSON.stringify(url)}: ${why}`
    return {
      status: 'False',
      reason: 'FailedDiscoveryCheck',
      message: `failing or missing response from ${url}: ${words}`,
    }
  }
}

async function report(store: Store, name: string, { status, reason, message }: Availability, now: Date): Promise<void> {
  const definition = resourceOf('apiregistration.k8s.io', 'apiservices')
  const key = keyFor(definition, '', name)
  if (!(await store.get(key))) return
  await store.update(key, current => {
    if (!current) throw new Error(`apiservice ${name} is gone`)
    const conditions = array(current, 'status', 'conditions')
    const old = conditions.find(condition => condition.type === 'Available')
    const lastTransitionTime = old?.status === status ? old.lastTransitionTime : time(now)
    const kept = conditions.filter(condition => condition.type !== 'Available')
    current.status = { conditions: [...kept, { type: 'Available', status, lastTransitionTime, reason, message }] }
    return current
  })
}
