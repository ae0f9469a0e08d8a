/**
 * A TLS 1.3 client is done before the server has judged it: an alert or a close that comes before the first byte of an answer
 * is the server's refusal. Nothing waits for it: whoever uses the connection gets it as the socket's error.
 */
import type { TLSSocket } from 'node:tls'
import { receivedAlert } from './alerts.ts'
import { RefusedError } from './errors.ts'
import { handshakeFailure } from './handshake-errors.ts'
import type { DialOptions, HandshakeRecord } from './types.ts'

interface Context {
  record: HandshakeRecord
  /** `127.0.0.1:50000->127.0.0.1:2379` */
  connection: string
  options: DialOptions
}

/**
 * From now on the socket's errors speak of the refusal, when there was one.
 *
 * Listeners would be too late. Node emits OpenSSL's error to all of them at once, and undici answers an early end with an error of its own
 * (`other side closed`) that then hides the alert. So errors are looked at on their way: in `emit`, and in `_destroy`, the stream's hook
 * that sees every error first and hands on the one to emit.
 */
export function watchRefusal(socket: TLSSocket, context: Context): void {
  const { record, options } = context
  let refusal: RefusedError | undefined
  const refused = (cause: Error | undefined): RefusedError => {
    if (refusal) return refusal
    const { message, refusedBy, reason, alert } = handshakeFailure('client', cause, {
      voice: options.voice,
      connection: context.connection,
    })
    const seen: HandshakeRecord = {
      ...record,
      time: options.clock.now().toISOString(),
      outcome: 'refused',
      refusedBy,
      layer: 'tls',
      ...(reason ? { reason } : {}),
      message,
      ...(alert ? { alert } : {}),
    }
    options.records.write(seen)
    refusal = new RefusedError(seen, cause)
    return refusal
  }
  const emit = socket.emit.bind(socket) as (event: string | symbol, ...args: unknown[]) => boolean
  socket.emit = (event: string | symbol, ...args: unknown[]) => {
    if (event !== 'error' || args[0] instanceof RefusedError) return emit(event, ...args)
    const [error] = args as [Error]
    if (receivedAlert(error) === undefined) return emit(event, refusal ?? error)
    // told once, by destroy
    socket.destroy(refused(error))
    return true
  }
  const destroy = socket._destroy.bind(socket)
  socket._destroy = (error, callback) => {
    if (refusal ?? error instanceof RefusedError) return destroy(refusal ?? error, callback)
    if (error && receivedAlert(error) !== undefined) return destroy(refused(error), callback)
    // TLSWrap counts what it decrypted: nothing means that no answer ever began.
    const unanswered = socket.bytesRead === 0 && socket.bytesWritten > 0
    if (!unanswered || !endedByPeer(socket, error)) return destroy(error, callback)
    const known = refused(isUndicis(error) ? undefined : (error ?? undefined))
    // an end without an error stays one, for who listens for nothing else
    return destroy(error && known, callback)
  }
}

/** undici's own errors say nothing about the wire. */
const isUndicis = (error: Error | null) => String((error as NodeJS.ErrnoException | null)?.code).startsWith('UND_ERR')

function endedByPeer(socket: TLSSocket, error: Error | null): boolean {
  const code = (error as NodeJS.ErrnoException | null)?.code
  if (code === 'ECONNRESET' || code === 'EPIPE') return true
  return socket.readableEnded && (!error || isUndicis(error))
}
