/** Dials rows really: as the component, with its files, and asks what it would ask. What both ends saw is joined by the handshake's id. */
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { TLSSocket } from 'node:tls'
import { offsetClock } from '#clock.ts'
import { messageOf } from '#errors.ts'
import { createTransport } from '#kubernetes/transport.ts'
import { silentLog } from '#log.ts'
import { memoryBundle } from '#tls/bundle.ts'
import { createDialer } from '#tls/dial.ts'
import { fileRecords, joinHandshakes, memoryRecords, teeRecords, withMember } from '#tls/records.ts'
import type { BundleSource, HandshakeRecord, IdentitySource, RecordSink } from '#tls/types.ts'
import type { Voice } from '#x509/types.ts'
import { type Connection, componentOf, connections } from './connections.ts'
import { identityOf, rootsOf } from './credentials.ts'
import { addressOf, etcdMembersOf, type Layout } from './layout.ts'
import { memberRows, together } from './member-rows.ts'
import { newRecords, recordsFolder } from './records.ts'
import { clientTls, isWithheld } from './settings.ts'
import { type ConnectionStatus, combine } from './status.ts'

export interface ProbeOptions {
  rows?: readonly Connection[]
  voice?: Voice
  /** Components that are real programs, of another Go than the others: what dials in their place speaks as they do. */
  voices?: Readonly<Record<string, Voice>>
  clockOffsetMs?: number
  /** Components whose clock is off against the others', in milliseconds. */
  clockOffsets?: Readonly<Record<string, number>>
  /** For the dial and the answer together; default 5 s. */
  timeoutMs?: number
}

export type ProbeResult = ConnectionStatus

/**
 * Dials connections as the components that dial them, with their files. One result a row, in their order.
 * @example
 * const red = (await probe(mesh.layout)).filter(({ outcome }) => outcome !== 'ok')
 */
export async function probe(layout: Layout, options: ProbeOptions = {}): Promise<ProbeResult[]> {
  const { rows = connections } = options
  const arrived = newRecords(layout.dir)
  const file = fileRecords(join(recordsFolder(layout.dir), 'probe.jsonl'))
  try {
    const members = etcdMembersOf(layout)
    const each = rows.map(row => memberRows(members, row))
    const dialled = new Map(
      await Promise.all(each.flat().map(async row => [row, await dialRow(layout, row, options, file)] as const)),
    )
    const servers = await serverRecords([...dialled.values()], arrived)
    return each.map(parts =>
      together(
        parts.map(row => {
          const client = dialled.get(row)!
          const server = servers.get(client)
          const { handshake, time } = client
          return { row, result: combine(row, { handshake, time, client, ...(server ? { server } : {}) }) }
        }),
      ),
    )
  } finally {
    await file.close()
  }
}

/** The last record of the client's end. */
async function dialRow(
  layout: Layout,
  row: Connection,
  options: ProbeOptions,
  file: RecordSink,
): Promise<HandshakeRecord> {
  const { clockOffsetMs = 0, clockOffsets = {}, timeoutMs = 5000 } = options
  const component = componentOf(row.from)
  const voice = options.voices?.[component] ?? options.voice ?? 'go1.24'
  const node = layout.nodes[0]!
  const self = row.clientMember ?? node.name
  const clock = offsetClock(clockOffsetMs + (clockOffsets[component] ?? 0))
  const { host, port } = addressOf(layout, row.port, row.serverMember)
  const memory = memoryRecords()
  const sink = teeRecords(file, memory)
  const records: RecordSink = row.clientMember ? withMember(sink, row.clientMember) : sink
  const unready = (error: unknown): HandshakeRecord => {
    const record: HandshakeRecord = {
      time: clock.now().toISOString(),
      handshake: '',
      observer: 'probe',
      end: 'client',
      from: row.from,
      to: row.to,
      address: `${host}:${port}`,
      port,
      outcome: 'unreachable',
      reason: 'unreachable',
      message: messageOf(error),
    }
    records.write(record)
    return record
  }
  let sources: { identity: IdentitySource | undefined; roots: BundleSource | undefined }
  try {
    sources = {
      identity:
        row.clientCertificate && !isWithheld(layout, row.clientCertificate)
          ? identityOf(layout, row.clientCertificate, self)
          : undefined,
      roots: row.clientTrust && rootsOf(layout, row.clientTrust, { node: self, etcd: row.to.startsWith('etcd') }),
    }
  } catch (error) {
    // as the component itself, which does not start with these files
    return unready(error)
  }
  const { identity, roots } = sources
  const { minVersion, maxVersion, cipherSuites } = clientTls(layout, row)
  const dialer = createDialer({
    component: 'probe',
    from: row.from,
    to: row.to,
    clock,
    voice,
    log: silentLog,
    records,
    ...(identity ? { identity } : {}),
    roots: roots ?? memoryBundle([]),
    insecureSkipVerify: roots === undefined,
    ...(row.serverName === undefined ? {} : { servername: row.serverName }),
    handshakeTimeoutMs: timeoutMs,
    minVersion,
    maxVersion,
    ...(cipherSuites.length > 0 ? { cipherSuites } : {}),
  })
  let answered: TLSSocket | undefined
  const transport = createTransport({
    dialer,
    server: `https://${host}:${port}`,
    connections: 1,
    onAnswer: socket => {
      answered = socket
    },
  })
  try {
    const { method, path, headers, body } = row.request
    const answer = await transport.request({
      method,
      path: path.replace('{node}', node.name),
      headers: { accept: 'application/json', 'user-agent': 'trustplane-probe', ...headers },
      ...(body === undefined ? {} : { body }),
      signal: AbortSignal.timeout(timeoutMs),
    })
    await answer.stream.dump()
    if (answered) records.write(answerRecord(memory.records.at(-1)!, answer.status, method, path, clock.now()))
  } catch (error) {
    if (memory.records.length === 0) return unready(error)
  } finally {
    await transport.close()
    await dialer.close()
    identity?.close()
    roots?.close()
  }
  return memory.records.at(-1)!
}

/** What the client makes of the answer: it learns by 401 and 403 what the server thought of its certificate. */
function answerRecord(
  handshake: HandshakeRecord,
  status: number,
  method: string,
  path: string,
  now: Date,
): HandshakeRecord {
  const record = { ...handshake, time: now.toISOString(), http: { status, method, path: path.split('?')[0]! } }
  if (status === 401) {
    return {
      ...record,
      outcome: 'refused',
      refusedBy: 'server',
      layer: 'authentication',
      reason: 'unauthorized',
      message: 'Unauthorized',
    }
  }
  if (status === 403) {
    return {
      ...record,
      outcome: 'refused',
      refusedBy: 'server',
      layer: 'authorization',
      reason: 'forbidden',
      message: 'Forbidden',
    }
  }
  return record
}

/** A client that was turned away at its ClientHello has heard no id: the addresses of the connection tell. */
const isOf = (client: HandshakeRecord, server: HandshakeRecord): boolean =>
  client.handshake
    ? server.handshake === client.handshake
    : client.local !== undefined && server.address === client.local && server.port === client.port

/** The servers' records of these clients' handshakes; theirs come a moment after the clients' own. A real program writes none. */
async function serverRecords(
  clients: readonly HandshakeRecord[],
  arrived: () => HandshakeRecord[],
): Promise<Map<HandshakeRecord, HandshakeRecord>> {
  const found: HandshakeRecord[] = []
  const wanted = clients.filter(client => (client.handshake || client.local) && client.outcome !== 'unreachable')
  // the server's record of the handshake comes first, that of its 401 or 403 after it
  const complete = (client: HandshakeRecord) => {
    const byAnswer = client.layer === 'authentication' || client.layer === 'authorization'
    return found.some(server => isOf(client, server) && (!byAnswer || server.layer === client.layer))
  }
  const deadline = performance.now() + 300
  for (;;) {
    found.push(...arrived().filter(record => record.end === 'server'))
    if (wanted.every(complete) || performance.now() > deadline) break
    await pause(5)
  }
  const servers = joinHandshakes(found).flatMap(({ server }) => server ?? [])
  return new Map(
    clients.flatMap(client => {
      const server = servers.findLast(candidate => isOf(client, candidate))
      return server ? [[client, server] as const] : []
    }),
  )
}
