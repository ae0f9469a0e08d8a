/**
 * A TLS 1.3 client is done before the server has judged it: an alert or a close that comes before the first byte of an answer
 * is the server's refusal. Nothing waits for it: whoever uses the connection gets it as the socket's error.
 */
import type { TLSSocket } from 'node:tls'
import { receivedAlert } from './alerts.ts'
import { RefusedError } from './errors.ts'
import { clientFailure } from './handshake-errors.ts'
import type { DialOptions, HandshakeRecord } from './types.ts'

interface Context {
  record: HandshakeRecord
  /** `127.0.0.1:50000->127.0.0.1:2379` */
  connection: string
  options: DialOptions
}

/**
 * From now on the socket's errors speak of the refusal, when there was one. `_destroy` is the stream's own hook for that:
 * it sees every error before anybody else does, also the one that undici makes up for an early end
 * (`other side closed`, which otherwise hides the alert), and what it hands on is what is emitted.
 */
export function watchRefusal(socket: TLSSocket, context: Context): void {
  const { record, options } = context
  let alertError: Error | undefined
  let told = false
  const tell = (error: Error | undefined): RefusedError | undefined => {
    const { message, refusedBy, reason, alert } = clientFailure(error, context.connection)
    told = true
    const what: HandshakeRecord = {
      ...record,
      time: options.clock.now().toISOString(),
      outcome: 'refused',
      refusedBy,
      layer: 'tls',
      ...(reason ? { reason } : {}),
      message,
      ...(alert ? { alert } : {}),
    }
    options.records.write(what)
    return new RefusedError(what, error)
  }
  // first among the listeners: undici's comes later, and the socket is destroyed by then
  socket.prependListener('error', error => {
    if (receivedAlert(error) === undefined || told) return
    alertError ??= error
    socket.destroy(error)
  })
  const destroy = socket._destroy.bind(socket)
  socket._destroy = (error, callback) => {
    // TLSWrap counts what it decrypted: nothing means that no answer ever began.
    const unanswered = socket.bytesRead === 0 && socket.bytesWritten > 0
    const cause = alertError ?? error ?? undefined
    if (told || error instanceof RefusedError) return destroy(error, callback)
    if (alertError || (cause && receivedAlert(cause) !== undefined) || (unanswered && endedByPeer(socket, cause)))
      return destroy(tell(isLocal(cause) ? undefined : cause) ?? error, callback)
    return destroy(error, callback)
  }
}

/** undici's own errors say nothing about the wire. */
const isLocal = (error: Error | undefined) =>
  String((error as NodeJS.ErrnoException | undefined)?.code).startsWith('UND_ERR')

function endedByPeer(socket: TLSSocket, error: Error | undefined): boolean {
  const code = (error as NodeJS.ErrnoException | undefined)?.code
  if (code === 'ECONNRESET' || code === 'EPIPE') return true
  return socket.readableEnded && (error === undefined || code === 'UND_ERR_SOCKET')
}
