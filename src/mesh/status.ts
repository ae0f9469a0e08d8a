/** What both ends of every connection last saw: the connection table joined with the handshake records. */

import type { PlanNode } from '#pki/types.ts'
import { type JoinedHandshake, joinHandshakes, readRecords } from '#tls/records.ts'
import type { End, HandshakeRecord, Layer, Outcome } from '#tls/types.ts'
import type { Reason } from '#x509/reasons.ts'
import { type Connection, connections, findConnection } from './connections.ts'
import { memberRows, together } from './member-rows.ts'

export interface ConnectionStatus {
  from: string
  to: string
  outcome: Outcome | 'unknown'
  refusedBy?: End
  layer?: Layer
  reason?: Reason
  /** The words of the end that refused. */
  message?: string
  /** Of several members of etcd, those (or pairs) with which it is not well: `node-2`, `node-1 -> node-2`. */
  failing?: readonly string[]
  /** The flag and file that decided it: `kube-apiserver --client-ca-file=/…/pki/ca.crt`. */
  decidedBy?: string
  time?: string
  /** The id that both ends' records share. */
  handshake?: string
  client?: HandshakeRecord
  server?: HandshakeRecord
}

export interface StatusOptions {
  /** Whose certificate this is (SHA-256, hex): names the client of a real program, which writes no record of its own. */
  ownerOf?: (sha256: string) => string | undefined
  rows?: readonly Connection[]
  /** Of etcd, where there are several: what was seen of each counts by itself. */
  members?: readonly PlanNode[]
  /** Only handshakes after this time (RFC 3339). */
  since?: string
}

/**
 * What both ends of every connection last saw, in the table's order: from the records in a state directory, whoever runs the mesh.
 * @example
 * readStatus('.trustplane').filter(({ outcome }) => outcome === 'refused')
 */
export const readStatus = (dir: string, options: StatusOptions = {}): ConnectionStatus[] =>
  statusOf(joinHandshakes(readRecords(dir)), options)

export function statusOf(handshakes: readonly JoinedHandshake[], options: StatusOptions = {}): ConnectionStatus[] {
  const { rows = connections, ownerOf = () => undefined, since = '', members = [] } = options
  const latest = new Map<string, JoinedHandshake>()
  for (const handshake of handshakes) {
    if (handshake.time < since) continue
    const { client, server } = handshake
    const to = (client ?? server)!.to
    const shown = server?.peer?.[0]
    const from = client?.from ?? server?.from ?? (shown && ownerOf(shown.sha256))
    if (!from) continue
    const clientMember = client?.member
    const serverMember =
      server?.member ?? members.find(({ address }) => client?.address.startsWith(`${address}:`))?.name
    const put = (key: string) => {
      if (!isHalfTold(handshake) || !latest.get(key)?.server) latest.set(key, handshake)
    }
    put(keyOf({ from, to }))
    if (members.length > 1) put(keyOf({ from, to, clientMember, serverMember }))
  }
  return rows.map(row => {
    const parts = memberRows(members, row).map(part => {
      const handshake = latest.get(keyOf(part))
      const { from, to } = row
      const result: ConnectionStatus = handshake ? combine(row, handshake) : { from, to, outcome: 'unknown' }
      return { row: part, result }
    })
    return together(parts)
  })
}

/** In TLS 1.3 a client is through before the server has judged it: what both ends said of the one before holds until the server speaks. */
const isHalfTold = ({ client, server }: JoinedHandshake): boolean =>
  server === undefined && client?.outcome === 'ok' && client.http === undefined

interface Ends {
  from: string
  to: string
  clientMember?: string | undefined
  serverMember?: string | undefined
}

const keyOf = ({ from, to, clientMember = '', serverMember = '' }: Ends): string =>
  `${from} ${from.startsWith('etcd') && from !== 'etcd-healthcheck' ? clientMember : ''} -> ${to} ${serverMember}`

/**
 * One outcome of two views. The end that refused knows why; the other has only the alert, the 401 or the 403. In TLS 1.3 a client
 * may have finished well what the server then refused.
 */
export function combine(row: Pick<Connection, 'from' | 'to'>, handshake: JoinedHandshake): ConnectionStatus {
  const { client, server, time } = handshake
  const whole = {
    from: row.from,
    to: row.to,
    time,
    handshake: handshake.handshake,
    ...(client ? { client } : {}),
    ...(server ? { server } : {}),
  }
  const refusals = [server, client].filter(record => record?.outcome === 'refused')
  const decider = refusals.find(record => record!.refusedBy === record!.end) ?? refusals[0]
  if (!decider) {
    const unreachable = client?.outcome === 'unreachable' || (!client && server?.outcome === 'unreachable')
    const words = unreachable ? (client ?? server)?.message : undefined
    return {
      ...whole,
      outcome: unreachable ? 'unreachable' : 'ok',
      ...(unreachable ? { reason: 'unreachable' as const } : {}),
      ...(words ? { message: words } : {}),
    }
  }
  const refusedBy = decider.refusedBy ?? decider.end
  const { layer, reason, message } = decider
  const decidedBy = deciderOf(findConnection(row.from, row.to), refusedBy, layer, reason, decider)
  return {
    ...whole,
    outcome: 'refused',
    refusedBy,
    ...(layer ? { layer } : {}),
    ...(reason ? { reason } : {}),
    ...(message ? { message } : {}),
    ...(decidedBy ? { decidedBy } : {}),
  }
}

/** The flag, and the file where there is one, by which the refusing end decided. */
function deciderOf(
  row: Connection | undefined,
  refusedBy: End,
  layer: Layer | undefined,
  reason: Reason | undefined,
  record?: HandshakeRecord,
): string | undefined {
  if (!row) return undefined
  const component = refusedBy === 'client' ? row.from : row.to
  if (reason === 'protocol-version') return `${component} --tls-min-version`
  if (reason === 'cipher-mismatch') return `${component} --tls-cipher-suites`
  if (layer === 'authorization') return `${component} --authorization-mode`
  const trust = refusedBy === 'client' ? row.clientTrust : row.serverTrust
  if (!trust) return undefined
  if (record && record.end === refusedBy && record.bundle) {
    // `kubelet --config (authentication.x509.clientCAFile)` names a field, not the file's flag
    return trust.flag.includes('(') || !trust.flag.includes(' --')
      ? `${trust.flag}: ${record.bundle}`
      : `${trust.flag}=${record.bundle}`
  }
  return trust.flag
}
