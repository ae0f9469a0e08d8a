/**
 * A refusal that travels: Go's alert, written past Node's TLS.
 *
 * `secure` is emitted before Node flushes what OpenSSL queued last (our Finished on a TLS 1.2 server, our whole last flight on a
 * TLS 1.3 client), and a TLS 1.2 client's `keylog` before its last flight, so an alert that is written to the raw socket there comes first (Node 22.23, 24.21, 26.10; test/tls/alert-order.test.ts).
 */
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { plainAlert, sealedAlert } from './alert-record.ts'
import type { Keylog } from './keylog.ts'
import type { End } from './types.ts'

/** Time for the other end to read the alert and close, before what is left of the connection is thrown away: a busy client that still writes would get RST instead of the alert. */
const lingerMs = 5_000

/**
 * To be called inside `secure`, on a TLS 1.2 client inside `keylog`. Sends the alert, when there is one, then FIN, so that it is read.
 * @returns whether an alert went out
 */
export function refuse(end: End, socket: TLSSocket, raw: Socket, keylog: Keylog, code: number | undefined): boolean {
  const record = code === undefined ? undefined : alertRecord(end, socket, keylog, code)
  keylog.forget()
  if (record) raw.write(record)
  raw.end()
  // What OpenSSL still wants to write finds the pipe shut; what the other end still says is not for anybody.
  socket.on('error', () => {})
  raw.on('error', () => {})
  socket.resume()
  const timer = setTimeout(() => destroyBoth(socket, raw), lingerMs).unref()
  raw.once('close', () => clearTimeout(timer))
  return record !== undefined
}

function alertRecord(end: End, socket: TLSSocket, keylog: Keylog, code: number): Buffer | undefined {
  // up to TLS 1.2 nothing of ours is sealed before our Finished
  if (keylog.has('CLIENT_RANDOM')) return plainAlert(code)
  const secret = keylog.secret(end === 'server' ? 'SERVER_TRAFFIC_SECRET_0' : 'CLIENT_HANDSHAKE_TRAFFIC_SECRET')
  return secret && sealedAlert(socket.getCipher().name, secret, code)
}

export function destroyBoth(socket: TLSSocket, raw: Socket): void {
  socket.destroy()
  raw.destroy()
}
