/** /healthz, /livez and /readyz as k8s.io/apiserver answers them. */
import { messageOf } from '#errors.ts'
import { quote } from './go.ts'
import type { Metrics } from './metrics.ts'

export type HealthEndpoint = 'healthz' | 'livez' | 'readyz'

export interface HealthCheck {
  name: string
  /** Throws, or rejects, with why it is not well. */
  check(): Promise<void> | void
  /** Default: all three. */
  in?: readonly HealthEndpoint[]
}

export interface HealthAnswer {
  status: 200 | 500
  body: string
  /** For the log: what failed and why; the answer withholds it. */
  failed: { name: string; why: string }[]
}

/** A check that is well as soon as it can answer at all. */
export const ping: HealthCheck = { name: 'ping', check() {} }
export const logCheck: HealthCheck = { name: 'log', check() {} }

const belongs = (check: HealthCheck, endpoint: HealthEndpoint) => check.in?.includes(endpoint) ?? true

/** @param query of the request: `verbose`, `exclude` (repeatable) */
export async function healthAnswer(
  endpoint: HealthEndpoint,
  checks: readonly HealthCheck[],
  query: URLSearchParams,
  metrics?: Metrics,
): Promise<HealthAnswer> {
  const excluded = new Set(query.getAll('exclude').filter(name => name !== ''))
  const failed: HealthAnswer['failed'] = []
  let lines = ''
  for (const check of checks) {
    if (!belongs(check, endpoint)) continue
    if (excluded.delete(check.name)) {
      lines += `[+]${check.name} excluded: ok\n`
      continue
    }
    const why = await outcome(check)
    metrics?.set('kubernetes_healthcheck', why === undefined ? 1 : 0, { name: check.name, type: endpoint })
    metrics?.inc('kubernetes_healthchecks_total', {
      name: check.name,
      type: endpoint,
      status: why === undefined ? 'success' : 'error',
    })
    if (why === undefined) lines += `[+]${check.name} ok\n`
    else {
      lines += `[-]${check.name} failed: reason withheld\n`
      failed.push({ name: check.name, why })
    }
  }
  if (excluded.size > 0) {
    lines += `warn: some health checks cannot be excluded: no matches for ${[...excluded].map(quote).join(',')}\n`
  }
  if (failed.length > 0) return { status: 500, body: `${lines}${endpoint} check failed\n`, failed }
  return { status: 200, body: query.has('verbose') ? `${lines}${endpoint} check passed\n` : 'ok', failed }
}

/** `/readyz/etcd`: one check by itself, which does say why; undefined: there is none of that name. */
export async function oneHealthAnswer(
  endpoint: HealthEndpoint,
  name: string,
  checks: readonly HealthCheck[],
): Promise<HealthAnswer | undefined> {
  const check = checks.find(candidate => candidate.name === name && belongs(candidate, endpoint))
  if (!check) return undefined
  const why = await outcome(check)
  if (why === undefined) return { status: 200, body: 'ok', failed: [] }
  return { status: 500, body: `internal server error: ${why}\n`, failed: [{ name, why }] }
}

async function outcome(check: HealthCheck): Promise<string | undefined> {
  try {
    await check.check()
    return undefined
  } catch (error) {
    return messageOf(error)
  }
}
