/**
 * What expires when, and what breaks first: the certificates of a PKI in the order of their ends, and after each end what the
 * connection table's rows would do, judged by the same prediction as everything else. Nobody renews anything meanwhile.
 */
import { X509Certificate } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { loadKubeconfig, type Source } from '#kubernetes/kubeconfig.ts'
import { ownCertificates } from '#pki/lookup.ts'
import { trustSlotNames } from '#pki/trust-slots.ts'
import type { End, Layer } from '#tls/types.ts'
import type { Reason } from '#x509/reasons.ts'
import { connections } from './connections.ts'
import { bundleFile, inDir, type Layout } from './layout.ts'
import { type Prediction, predict } from './predict.ts'

interface Ending {
  /** As in the plan; of a CA that only a bundle or kubeconfig still has, its subject. */
  name: string
  kind: 'authority' | 'certificate' | 'kubeconfig'
  /** Relative to the state directory. */
  file: string
  subject: string
  notAfter: string
  /** SHA-256, hex. */
  sha256: string
  /** Who renews it before that, where somebody does. */
  renewedBy?: string
}

/** A connection that is well before this moment and not after it. */
export interface Break {
  from: string
  to: string
  outcome: Prediction['outcome']
  refusedBy?: End
  layer?: Layer
  reason?: Reason
  message?: string
  /** What people notice. */
  notice: string
}

export interface TimelineEvent {
  /** RFC 3339; from the second after it on, what is in `ends` is no longer valid. */
  time: string
  /** Seconds from `now`; negative: it is past. */
  inSeconds: number
  ends: Ending[]
  breaks: Break[]
}

export interface Timeline {
  now: string
  /** Rows that are well now, of how many. */
  well: number
  total: number
  /** Not well now, whatever the reason. */
  broken: Break[]
  /** Rows that cannot be judged from here: a file of theirs is on another machine. */
  unjudged: Pick<Break, 'from' | 'to'>[]
  /** In order of time; of what has ended already, `breaks` is empty: see `broken`. */
  events: TimelineEvent[]
  /** The first event that breaks a connection. */
  first?: TimelineEvent
}

/**
 * From files alone; a file that is missing has no end, and its connections are `broken`.
 * @param options.isPart the folder is one node's of a cluster: what is missing is elsewhere, and its connections are `unjudged`
 */
export function timeline(layout: Layout, now: Date, { isPart = false }: { isPart?: boolean } = {}): Timeline {
  const groups = Map.groupBy(endings(layout), ({ notAfter }) => notAfter)
  const all = predict(layout, { now })
  // a row that is down because of another one has no message
  const isMissing = ({ outcome, message }: Prediction) => isPart && outcome === 'unreachable' && message !== undefined
  const unjudged = all.filter(isMissing).map(({ from, to }) => ({ from, to }))
  const rows = connections.filter((_, i) => !isMissing(all[i]!))
  let before = all.filter(row => !isMissing(row))
  const broken = before.filter(({ outcome }) => outcome !== 'ok').map(breakOf)
  const well = before.length - broken.length
  const events = [...groups].map(([time, ends]): TimelineEvent => {
    const at = Date.parse(time)
    const breaks: Break[] = []
    if (at >= now.getTime()) {
      // Go: expired when now is after notAfter
      const after = predict(layout, { now: new Date(at + 1000), rows })
      for (const [i, row] of after.entries()) {
        if (row.outcome !== 'ok' && before[i]!.outcome === 'ok') breaks.push(breakOf(row))
      }
      before = after
    }
    return { time, inSeconds: Math.floor((at - now.getTime()) / 1000), ends, breaks }
  })
  const first = events.find(({ breaks }) => breaks.length > 0)
  return { now: rfc3339(now), well, total: before.length, broken, unjudged, events, ...(first ? { first } : {}) }
}

function breakOf({ from, to, outcome, refusedBy, layer, reason, message }: Prediction): Break {
  const { notice } = connections.find(row => row.from === from && row.to === to)!
  return {
    from,
    to,
    outcome,
    ...(refusedBy ? { refusedBy } : {}),
    ...(layer ? { layer } : {}),
    ...(reason ? { reason } : {}),
    ...(message ? { message } : {}),
    notice,
  }
}

/** Every certificate that a file of the PKI holds, once, by its end. */
function endings(layout: Layout): Ending[] {
  const { plan } = layout
  const found: Ending[] = []
  const add = (
    kind: Ending['kind'],
    name: string | undefined,
    file: string,
    pem: string,
    more: Partial<Ending> = {},
  ) => {
    for (const certificate of certificatesIn(pem)) {
      const sha256 = certificate.fingerprint256.replaceAll(':', '').toLowerCase()
      const isKnown = found.some(row => row.sha256 === sha256 && (kind === 'authority' || row.file === file))
      if (isKnown) continue
      const subject = certificate.subject.split('\n').join(',')
      const notAfter = rfc3339(certificate.validToDate)
      found.push({ name: name ?? subject, kind, file, subject, notAfter, sha256, ...more })
      // a served chain: the intermediates behind the leaf go by their own names
      if (kind !== 'authority') name = undefined
    }
  }
  for (const row of plan.authorities)
    add('authority', row.name, row.certificateFile, textOf(layout, row.certificateFile))
  for (const row of ownCertificates(plan))
    add('certificate', row.name, row.certificateFile, textOf(layout, row.certificateFile))
  for (const row of plan.kubeconfigs) {
    const kubeconfig = kubeconfigOf(layout, row.file)
    if (!kubeconfig) continue
    const isKubelet = row.name.startsWith('kubelet')
    add('kubeconfig', row.name, row.file, pemOf(kubeconfig.clientCertificate), {
      ...(isKubelet ? { renewedBy: 'the kubelet, at 70 to 90 % of its life' } : {}),
    })
    add('authority', undefined, row.file, pemOf(kubeconfig.certificateAuthority))
  }
  for (const slot of trustSlotNames) {
    const file = bundleFile(layout, slot)
    if (file)
      add('authority', undefined, file.slice(layout.dir.length + 1), existsSync(file) ? readFileSync(file, 'utf8') : '')
  }
  return found.sort((a, b) => (a.notAfter < b.notAfter ? -1 : a.notAfter > b.notAfter ? 1 : a.name < b.name ? -1 : 1))
}

function textOf(layout: Layout, file: string): string {
  const path = inDir(layout, file)
  return existsSync(path) ? readFileSync(path, 'utf8') : ''
}

function kubeconfigOf(layout: Layout, file: string) {
  try {
    return loadKubeconfig(inDir(layout, file))
  } catch {
    return undefined
  }
}

function pemOf(source: Source | undefined): string {
  if (source === undefined) return ''
  if ('data' in source) return source.data
  return existsSync(source.file) ? readFileSync(source.file, 'utf8') : ''
}

function certificatesIn(pem: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? []
  return blocks.flatMap(block => {
    try {
      return [new X509Certificate(block)]
    } catch {
      return []
    }
  })
}

const rfc3339 = (date: Date) => date.toISOString().replace(/\.\d{3}Z$/, 'Z')
