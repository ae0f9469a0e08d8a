/** A client of trustplane's own for this folder's tests: Go's rules and words. */
import { once } from 'node:events'
import { systemClock } from '#clock.ts'
import type { CertificateFixture } from '#endpoints/fixture.ts'
import { fixtureIdentity } from '#endpoints/identity.ts'
import { silentLog } from '#log.ts'
import { memoryBundle } from '#tls/bundle.ts'
import { createDialer } from '#tls/dial.ts'
import { RefusedError, UnreachableError } from '#tls/errors.ts'
import { memoryRecords } from '#tls/records.ts'
import type { HandshakeRecord } from '#tls/types.ts'

export interface Dialled {
  host?: string
  port: number
  /** What the client trusts. */
  ca: string
  /** What it shows. */
  client?: CertificateFixture
  servername?: string
  handshakeTimeoutMs?: number
}

/** What the client saw, after the server has answered, refused or closed. */
export async function dialOnce(options: Dialled): Promise<HandshakeRecord> {
  const identity = options.client && fixtureIdentity(options.client)
  const records = memoryRecords()
  const dialer = createDialer({
    component: 'test',
    from: 'test',
    to: 'endpoint',
    clock: systemClock,
    voice: 'go1.24',
    log: silentLog,
    records,
    ...(identity ? { identity } : {}),
    roots: memoryBundle(options.ca),
    ...(options.servername ? { servername: options.servername } : {}),
    alpn: ['h2', 'http/1.1'],
    ...(options.handshakeTimeoutMs ? { handshakeTimeoutMs: options.handshakeTimeoutMs } : {}),
  })
  try {
    const socket = await dialer.connect({ host: options.host ?? 'localhost', port: options.port })
    // the server's word: HTTP/2 begins with its SETTINGS, HTTP/1.1 with an answer
    socket.write(
      socket.alpnProtocol === 'h2'
        ? Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), Buffer.from('000000040000000000', 'hex')])
        : 'GET / HTTP/1.1\r\nhost: x\r\n\r\n',
    )
    const answered = new AbortController()
    await Promise.race(['data', 'close'].map(event => once(socket, event, answered))).catch(() => {})
    answered.abort()
  } catch (error) {
    if (!(error instanceof RefusedError || error instanceof UnreachableError)) throw error
  } finally {
    await dialer.close()
  }
  return records.records.at(-1)!
}

/** A text of the tables as a pattern: `…` stands for names, times and serials, and before it may be the prefix of the place. */
export const pattern = (text: string): RegExp =>
  new RegExp(`^(tls: failed to [a-z ]+: )?${text.split('…').map(escapeRegExp).join('.+')}$`)

function escapeRegExp(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\/]/g, '\\$&')
}
