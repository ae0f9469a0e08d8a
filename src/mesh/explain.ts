/** The two-sided explanation of a connection: who dialled, what each end showed and checked with, both ends' words, what people notice, what mends it. */
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { loadKubeconfig } from '#kubernetes/kubeconfig.ts'
import type { HandshakeRecord, PresentedCertificate } from '#tls/types.ts'
import { reasons } from '#x509/reasons.ts'
import { describe } from './agreement.ts'
import type { Connection, Decided } from './connections.ts'
import { type FixContext, fixesOf } from './fixes.ts'
import { fileOf, isKubeconfig, type Layout } from './layout.ts'
import type { ConnectionStatus } from './status.ts'

export interface EndExplanation {
  component: string
  /** What it showed, leaf first. */
  showed: readonly PresentedCertificate[]
  showedFile?: string
  showedBy?: string
  /** The bundle that it checked the other end with, and the authorities in it. */
  checkedWith?: string
  checkedBy?: string
  authorities: readonly string[]
  /** The name that it looked for. */
  name?: string
  says?: string
}

export interface Explanation {
  from: string
  to: string
  /** One sentence. */
  what: string
  status: ConnectionStatus
  client: EndExplanation
  server: EndExplanation
  wire?: string
  decidedBy?: string
  /** Of the reason: what happened, and what usually causes it. */
  summary?: string
  cause?: string
  notice: string
  fixes: readonly string[]
}

/**
 * Both ends' view of one connection: what each presented, checked and said, what people notice, and the commands that mend it.
 * @example
 * const row = connections.find(({ from, to }) => from === 'kube-apiserver' && to === 'etcd')!
 * explain(row, mesh.connection('kube-apiserver', 'etcd'), { layout: mesh.layout }).fixes
 */
export function explain(row: Connection, status: ConnectionStatus, context: FixContext): Explanation {
  const { layout } = context
  const { client, server } = status
  const red = status.outcome === 'refused' || status.outcome === 'unreachable'
  const wire = wireOf(client, server)
  const reason = reasons.find(one => one.reason === status.reason)
  return {
    from: row.from,
    to: row.to,
    what: `${row.from} -> ${row.to}: ${describe(status)}`,
    status,
    client: endOf(row.from, client, server, row.clientCertificate, row.clientTrust, layout),
    server: endOf(row.to, server, client, row.serverCertificate, row.serverTrust, layout),
    ...(wire ? { wire } : {}),
    ...(status.decidedBy ? { decidedBy: status.decidedBy } : {}),
    ...(red && reason ? { summary: reason.summary, cause: reason.cause } : {}),
    notice: row.notice,
    fixes: red ? fixesOf(row, status, context) : [],
  }
}

function endOf(
  component: string,
  mine: HandshakeRecord | undefined,
  other: HandshakeRecord | undefined,
  certificate: Decided | undefined,
  trust: Decided | undefined,
  layout: Layout | undefined,
): EndExplanation {
  const showed = mine?.own ? [mine.own] : (other?.peer ?? [])
  const file = mine?.own?.file ?? (layout && certificate && quietly(() => fileOf(layout, certificate, 'certificate')))
  const bundle = mine?.bundle ?? (layout && trust && quietly(() => fileOf(layout, trust, 'trust')))
  return {
    component,
    showed,
    ...(file ? { showedFile: file } : {}),
    ...(certificate ? { showedBy: certificate.flag } : {}),
    ...(bundle ? { checkedWith: bundle } : {}),
    ...(trust ? { checkedBy: trust.flag } : {}),
    authorities: bundle ? (quietly(() => authoritiesIn(bundle, trust)) ?? []) : [],
    ...(mine?.end === 'client' && mine.name ? { name: mine.name } : {}),
    ...(mine?.message ? { says: mine.message } : mine?.outcome === 'ok' ? { says: answerOf(mine) } : {}),
  }
}

const answerOf = (record: HandshakeRecord) => (record.http ? `HTTP ${record.http.status}` : 'nothing is wrong')

function authoritiesIn(file: string, trust: Decided | undefined): string[] {
  const text = trust && isKubeconfig(trust) ? dataOf(file) : readFileSync(file, 'latin1')
  return (text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).map(pem => {
    const { subject, fingerprint256 } = new X509Certificate(pem)
    return `${subject.split('\n').reverse().join(',')} (SHA-256 ${fingerprint256.slice(0, 23).toLowerCase()}…)`
  })
}

function dataOf(kubeconfig: string): string {
  const source = loadKubeconfig(kubeconfig).certificateAuthority
  return source === undefined ? '' : 'data' in source ? source.data : readFileSync(source.file, 'latin1')
}

/** Both ends have heard of one alert: it is told once, from the end that knows more. */
function wireOf(client: HandshakeRecord | undefined, server: HandshakeRecord | undefined): string | undefined {
  const sent = [client, server].find(record => record?.alert?.direction === 'sent')
  const received = [client, server].find(record => record?.alert?.direction === 'received')
  const told = sent ?? received
  if (!told?.alert) return undefined
  const by = told.alert.direction === 'sent' ? told.end : told.end === 'client' ? 'server' : 'client'
  return `the ${by} sent alert ${told.alert.code} (${told.alert.name})`
}

function quietly<T>(action: () => T): T | undefined {
  try {
    return action()
  } catch {
    return undefined
  }
}
