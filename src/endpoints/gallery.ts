/** Every defect at once: a port each, and one port that shows them by name (SNI). What `trustplane badtls` serves. */
import type { RecordSink } from '#tls/types.ts'
import type { Reason } from '#x509/reasons.ts'
import { type CertificateDefect, certificateDefects, type Judgement, type ServerDefectName } from './defects.ts'
import { type Endpoint, type EndpointOptions, open, runEndpoint } from './endpoint.ts'
import { certificateFixture, createAuthority, unknownName } from './fixture.ts'
import { fixtureIdentity } from './identity.ts'
import { serve } from './listen.ts'
import { type ProtocolDefect, type ProtocolDefectName, protocolDefects } from './protocols.ts'

/** A line of `trustplane badtls --list`. */
export interface DefectRow {
  name: string
  kind: 'certificate' | 'protocol'
  description: string
  side: 'server' | 'client' | 'both'
  /** Left out: Go accepts it. */
  reason?: Reason
  /** Go's text for it; a client's where the two ends' differ. */
  text?: string
}

interface GalleryEntry extends DefectRow {
  url: string
  /** On the port of all names; left out for what no name can choose. */
  byName?: string
}

export interface GalleryOptions extends Pick<EndpointOptions, 'authority' | 'clientAuth' | 'crl' | 'host' | 'voice'> {
  /** Of the names; each defect's own is one of those that follow. 0: any free ones. */
  port: number
  only?: readonly string[]
  /** Told of every handshake. */
  records: RecordSink
}

export interface Gallery {
  entries: readonly GalleryEntry[]
  /** PEM: every root that a client has to trust to see the defects alone. */
  ca: string
  stop(): Promise<void>
}

/** `expired.badtls.localhost`: everything under localhost is this machine (RFC 6761 §6.3). */
export const domain = 'badtls.localhost'

const refusal = (judgement: Judgement | undefined) => (typeof judgement === 'object' ? judgement : undefined)

/** Both tables, as people read them. */
export const defectRows: readonly DefectRow[] = [
  ...(certificateDefects as readonly CertificateDefect[]).map(({ name, description, server, client }): DefectRow => {
    const refused = refusal(server) ?? refusal(client)
    return {
      name,
      kind: 'certificate',
      description,
      side: server && client ? 'both' : server ? 'server' : 'client',
      ...(refused ? { reason: refused.reason, text: refused.text } : {}),
    }
  }),
  ...(protocolDefects as readonly ProtocolDefect[]).map(
    ({ name, description, reason, text }): DefectRow => ({
      name,
      kind: 'protocol',
      description,
      side: 'server',
      ...(reason ? { reason } : {}),
      ...(text ? { text } : {}),
    }),
  ),
]

const serverRows = defectRows.filter(({ side }) => side !== 'client')

/** @throws TrustplaneError TP_NAME_UNKNOWN (`only`), TP_PORT_IN_USE: nothing stays started */
export async function startGallery(options: GalleryOptions): Promise<Gallery> {
  const { host = '127.0.0.1', port, records, clientAuth = 'none', voice = 'go1.24' } = options
  for (const name of options.only ?? []) {
    if (!serverRows.some(row => row.name === name)) throw unknownName('server defect', name, serverRows)
  }
  const authority = options.authority ?? (await createAuthority())
  const rows = serverRows.map((row, index) => ({ row, port: port === 0 ? 0 : port + 1 + index }))
  const wanted = rows.filter(({ row }) => options.only?.includes(row.name) ?? true)
  const fixtures = new Map(
    await Promise.all(
      wanted.map(async ({ row }) => {
        const hosts = [`${row.name}.${domain}`, 'localhost', '127.0.0.1', '::1']
        const name = row.kind === 'certificate' ? (row.name as ServerDefectName) : 'good'
        return [row.name, await certificateFixture(name, { authority, hosts })] as const
      }),
    ),
  )
  const shared = { host, clientAuth, clientCa: authority.cert, voice, ...(options.crl ? { crl: options.crl } : {}) }
  const running: { stop(): Promise<void> }[] = []
  const stop = async () => void (await Promise.all(running.map(server => server.stop())))
  try {
    const endpoints = new Map<string, Endpoint>()
    for (const { row, port } of wanted) {
      const endpoint = await runEndpoint(
        {
          ...shared,
          port,
          authority,
          certificate: fixtures.get(row.name)!,
          ...(row.kind === 'protocol' ? { protocol: row.name as ProtocolDefectName } : {}),
        },
        { name: row.name, records },
      )
      running.push(endpoint)
      endpoints.set(row.name, endpoint)
    }
    const sni = wanted
      .filter(({ row }) => row.kind === 'certificate')
      .map(({ row }) => ({ names: [`${row.name}.${domain}`], identity: fixtureIdentity(fixtures.get(row.name)!)! }))
    const usual = await certificateFixture('good', {
      authority,
      hosts: [domain, `*.${domain}`, 'localhost', '127.0.0.1', '::1'],
    })
    const named = await open(
      () => serve({ ...shared, name: 'badtls', port, identity: fixtureIdentity(usual)!, sni, records }),
      host,
      port,
    )
    running.push({ stop: () => named.close() })
    const roots = new Set([authority.cert, ...[...fixtures.values()].map(({ ca }) => ca)])
    return {
      entries: wanted.map(({ row }) => ({
        ...row,
        url: endpoints.get(row.name)!.url,
        ...(row.kind === 'certificate' ? { byName: `https://${row.name}.${domain}:${named.address.port}` } : {}),
      })),
      ca: [...roots].join(''),
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}
