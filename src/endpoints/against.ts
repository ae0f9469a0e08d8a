/** Somebody's server, dialled with each faulty client certificate: what it takes, what it refuses and how, and what Go would have done. */
import { systemClock } from '#clock.ts'
import { silentLog } from '#log.ts'
import { memoryBundle } from '#tls/bundle.ts'
import { createDialer } from '#tls/dial.ts'
import { type Alert, joinHostPort, refusalOf, UnreachableError } from '#tls/errors.ts'
import { memoryRecords } from '#tls/records.ts'
import { type Reason, reasonRow } from '#x509/reasons.ts'
import type { Voice } from '#x509/types.ts'
import { type CertificateDefect, type ClientDefectName, certificateDefects, type Judgement } from './defects.ts'
import { type CertificateFixture, certificateFixture, unknownName } from './fixture.ts'
import { fixtureIdentity } from './identity.ts'
import type { Authority } from './workshop.ts'

export interface AgainstOptions {
  host: string
  port: number
  /** PEM: what the server is checked with. */
  ca: string
  /** Checked in the server's certificate instead of `host`. */
  servername?: string
  /** What is asked for; default `/`. */
  path?: string
  /** Who issues the client certificates: the server has to trust it. */
  authority: Authority
  /** Shown in place of new ones: the revoked one has to be the one on the server's list. */
  clients?: readonly Pick<CertificateFixture, 'name' | 'chain' | 'key'>[]
  only?: readonly string[]
  voice?: Voice
  timeoutMs?: number
  /** Told of each as it comes. */
  onResult?: (result: ClientResult) => void
  signal?: AbortSignal
}

export interface ClientResult {
  name: ClientDefectName
  description: string
  reason?: Reason
  /**
   * What Go's server does that requires certificates (crypto/tls RequireAndVerifyClientCert, etcd; kube-apiserver with a 401).
   * `either`: it depends on how the server is set up (no certificate; a revocation list).
   */
  go: 'accepted' | 'refused' | 'either'
  seen: 'accepted' | 'refused'
  /** How it was refused: an alert, a connection that was closed, or HTTP. */
  how?: 'alert' | 'close' | 'http'
  alert?: Alert
  /** The alert that Go sends. */
  goAlert?: number
  status?: number
  /** In Go's words. */
  message?: string
  /** `laxer`: it takes what Go refuses. `stricter`: it refuses what Go takes. */
  comparison: 'as Go' | 'laxer' | 'stricter' | 'either'
}

interface Problem {
  what: string
  fix: string
  /** The server does not know the CA of the client certificates, or takes no client at all. */
  untrusted?: boolean
}

export interface AgainstResult {
  /** Left out when nothing can be judged. */
  results: ClientResult[]
  /** Why nothing can be judged: nobody there, the server's own certificate, or a good client that is refused. */
  problem?: Problem
}

type Seen = Pick<ClientResult, 'seen' | 'how' | 'alert' | 'status' | 'message'> | { problem: string; fix: string }

const clients = (certificateDefects as readonly CertificateDefect[]).filter(
  // the first cannot be sent, the second has a root of its own, which the server does not know
  row => row.client && !(typeof row.client === 'object' && row.client.by === 'itself') && row.name !== 'expired-ca',
)

/** Dials one after the other; the good one first, since nothing is learned where that is refused. @throws TrustplaneError TP_NAME_UNKNOWN (`only`) */
export async function dialWithEach(options: AgainstOptions): Promise<AgainstResult> {
  for (const name of options.only ?? []) {
    if (!clients.some(row => row.name === name)) throw unknownName('client certificate defect', name, clients)
  }
  const [good, ...others] = clients
  const first = await dial(good!, options, undefined)
  if ('problem' in first) return { results: [], problem: { what: first.problem, fix: first.fix } }
  if (first.seen === 'refused') {
    return {
      results: [],
      problem: {
        what: `the server refuses a good client certificate, too: ${first.message ?? `HTTP ${first.status}`}`,
        fix: 'let it trust the CA of these certificates, with whatever names it asks of clients; then run this again',
        untrusted: true,
      },
    }
  }
  const results: ClientResult[] = []
  const add = (row: CertificateDefect, seen: Exclude<Seen, { problem: string }>) => {
    const result = resultOf(row, seen, options.voice ?? 'go1.24')
    results.push(result)
    options.onResult?.(result)
  }
  add(good!, first)
  for (const row of others) {
    if (options.only && !options.only.includes(row.name)) continue
    options.signal?.throwIfAborted()
    const seen = await dial(row, options, first.status)
    if ('problem' in seen) return { results, problem: { what: `${row.name}: ${seen.problem}`, fix: seen.fix } }
    add(row, seen)
  }
  return { results }
}

function resultOf(row: CertificateDefect, seen: Exclude<Seen, { problem: string }>, voice: Voice): ClientResult {
  const judgement: Judgement = row.client!
  const refused =
    typeof judgement === 'object' && !(voice === 'go1.19' && judgement.since === 'go1.24') ? judgement : undefined
  const go = !refused ? 'accepted' : refused.needs === 'crl' || row.name === 'no-certificate' ? 'either' : 'refused'
  const alerts = refused && reasonRow(refused.reason).alert.server
  const goAlert = voice === 'go1.24' ? (refused?.alert ?? alerts?.[voice]) : alerts?.[voice]
  return {
    name: row.name as ClientDefectName,
    description: row.description,
    ...(refused ? { reason: refused.reason } : {}),
    go,
    ...seen,
    ...(goAlert ? { goAlert } : {}),
    comparison:
      go === 'either' ? 'either' : go === seen.seen ? 'as Go' : seen.seen === 'accepted' ? 'laxer' : 'stricter',
  }
}

/** @param usual the status that the good certificate got: another one from 400 to 499 is a refusal (401; nginx says 400) */
async function dial(row: CertificateDefect, options: AgainstOptions, usual: number | undefined): Promise<Seen> {
  const { host, port, timeoutMs = 10_000, voice = 'go1.24' } = options
  const client =
    options.clients?.find(({ name }) => name === row.name) ??
    (await certificateFixture(row.name as ClientDefectName, {
      authority: options.authority,
      side: 'client',
      commonName: `badtls-${row.name}`,
    }))
  const identity = fixtureIdentity(client)
  const dialer = createDialer({
    component: 'badtls',
    from: 'badtls',
    to: joinHostPort(host, port),
    clock: systemClock,
    voice,
    log: silentLog,
    records: memoryRecords(),
    ...(identity ? { identity } : {}),
    roots: memoryBundle(options.ca),
    ...(options.servername ? { servername: options.servername } : {}),
    alpn: ['h2', 'http/1.1'],
    handshakeTimeoutMs: timeoutMs,
  })
  try {
    const { statusCode, body } = await dialer.agent.request({
      origin: `https://${joinHostPort(host, port)}`,
      path: options.path ?? '/',
      method: 'GET',
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
      signal: options.signal ?? null,
    })
    await body.dump()
    const refused =
      usual === undefined
        ? statusCode === 401 || statusCode === 400
        : statusCode !== usual && statusCode >= 400 && statusCode < 500
    return refused
      ? { seen: 'refused', how: 'http', status: statusCode, message: `HTTP ${statusCode}` }
      : { seen: 'accepted', status: statusCode }
  } catch (error) {
    return afterError(error, options)
  } finally {
    await dialer.close()
  }
}

function afterError(error: unknown, options: AgainstOptions): Seen {
  options.signal?.throwIfAborted()
  const known = refusalOf(error)
  if (known) {
    const { refusedBy, alert, message } = known
    if (refusedBy === 'server')
      return { seen: 'refused', how: alert ? 'alert' : 'close', message, ...(alert ? { alert } : {}) }
    return {
      problem: `the server's own certificate is refused: ${message}`,
      fix: 'give the CA that issued it with --ca, and the name that it is for with --servername',
    }
  }
  const unreachable = [error, (error as Error).cause].find(one => one instanceof UnreachableError)
  if (unreachable) return { problem: unreachable.message, fix: 'start the server, or dial the right address' }
  // the handshake was good, and what came after it was no HTTP: it took the certificate
  return { seen: 'accepted', message: (error as Error).message }
}
