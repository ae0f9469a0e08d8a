/** Connection upgrades (websockets of exec, attach, port-forward): they pass the same filter as requests, without fastify. */
import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Log } from '#log.ts'
import { STATUS_CODES } from '#node-http.ts'
import { findPeer } from '#tls/peer.ts'
import type { Peer } from '#tls/types.ts'
import { recordAnswer } from './access-records.ts'
import type { Admitted, Filter } from './admission-filter.ts'
import type { Refusal } from './refusals.ts'

export interface UpgradeRequest extends Admitted {
  raw: IncomingMessage
  socket: Duplex
  head: Buffer
  peer: Peer | undefined
}

/** From now on upgrades are not answered as ordinary requests. */
export function serveUpgrades(
  server: Server,
  filter: Filter,
  log: Log,
  handler: (request: UpgradeRequest) => void,
): void {
  server.on('upgrade', async (raw: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => {})
    const peer = findPeer(raw.socket)
    try {
      const result = await filter(raw, peer)
      const refused = 'refusal' in result ? result : undefined
      if (peer) recordAnswer(peer, raw, refused?.refusal.status ?? 101, result.user, refused)
      if ('refusal' in result) await answer(socket, result.refusal)
      else handler({ ...result, raw, socket, head, peer })
    } catch (error) {
      log.error('Observed a panic', error, { URI: raw.url })
      socket.destroy()
    }
  })
}

async function answer(socket: Duplex, { status, headers, body }: Refusal): Promise<void> {
  const encoded = await body
  const bytes = Buffer.from(encoded.body)
  const lines = Object.entries({
    ...headers,
    'content-type': encoded.contentType,
    'content-length': String(bytes.length),
    connection: 'close',
  }).map(([name, value]) => `${name}: ${value}\r\n`)
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('')}\r\n`
  socket.end(Buffer.concat([Buffer.from(head, 'latin1'), bytes]))
}
