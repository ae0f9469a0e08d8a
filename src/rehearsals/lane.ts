/** A client of one connection, as the component that dials it and with what that has in memory: one connection, kept alive or used once. */
import type { Clock } from '#clock.ts'
import { createTransport, type Transport } from '#kubernetes/transport.ts'
import { silentLog } from '#log.ts'
import { componentOf } from '#mesh/connections.ts'
import { identityOf, rootsOf } from '#mesh/credentials.ts'
import { addressOf, type Layout } from '#mesh/layout.ts'
import { memoryBundle } from '#tls/bundle.ts'
import { createDialer } from '#tls/dial.ts'
import { memoryRecords } from '#tls/records.ts'
import type { BundleSource, HandshakeRecord, IdentitySource } from '#tls/types.ts'
import type { Voice } from '#x509/types.ts'
import type { Loaded } from './loaded.ts'
import { podRow } from './pods.ts'
import { layoutFor, type TrafficRow } from './rows.ts'

export interface Lane {
  transport: Transport
  /** Its last handshake, as its own end saw it. */
  last(): HandshakeRecord | undefined
  /** A request begins, and ends. */
  enter(): void
  leave(): Promise<void>
  /** No more requests: it closes when those under way have ended. */
  retire(): Promise<void>
}

export interface Credentials {
  identity: IdentitySource | undefined
  roots: BundleSource | undefined
}

/**
 * What the component has in memory whenever it dials: a connection that is kept alive outlives a change, the next handshake does not.
 * `current` throws in the original's words for files that it would not start with.
 */
export function credentialsOf(loaded: Loaded, row: TrafficRow): Credentials {
  const layout = layoutFor(loaded.layout, row)
  const node = layout.nodes[0]!.name
  const always = <T>(load: () => { current(): T; close(): void }) => {
    let version = -1
    let value: T
    return {
      current(): T {
        const now = loaded.version(componentOf(row.from))
        if (now !== version) {
          const source = load()
          value = source.current()
          source.close()
          version = now
        }
        return value
      },
      onChange: () => () => {},
      close() {},
    }
  }
  if (row === podRow) {
    return { identity: undefined, roots: always(() => memoryBundle(loaded.pod?.ca ?? '', 'ca.crt')) }
  }
  const { clientCertificate, clientTrust } = row
  const options = { node, etcd: row.to.startsWith('etcd') }
  const isChecked = clientTrust && rootsOf(layout, clientTrust, options)
  isChecked?.close()
  return {
    identity: clientCertificate && always(() => identityOf(layout, clientCertificate, node)),
    roots: isChecked && always(() => rootsOf(layout, clientTrust, options)!),
  }
}

export interface LaneOptions {
  layout: Layout
  row: TrafficRow
  credentials: Credentials
  clock: Clock
  voice: Voice
}

export function openLane({ layout, row, credentials, clock, voice }: LaneOptions): Lane {
  const { identity, roots } = credentials
  const records = memoryRecords(4)
  const dialer = createDialer({
    component: 'rehearsal',
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
  })
  const { host, port } = addressOf(layoutFor(layout, row), row.port, row.serverMember)
  const transport = createTransport({ dialer, server: `https://${host}:${port}`, connections: 1 })
  let users = 0
  let isRetired = false
  const closeWhenUnused = async () => {
    if (!isRetired || users > 0) return
    await transport.close()
    await dialer.close()
  }
  return {
    transport,
    last: () => records.records.at(-1),
    enter: () => void users++,
    leave() {
      users--
      return closeWhenUnused()
    },
    retire() {
      isRetired = true
      return closeWhenUnused()
    },
  }
}
