/** What a client is told when etcd cannot be asked: grpc-go's words, as the original passes them on. */
import { messageOf } from '#errors.ts'
import { failure, StatusError } from '#kubernetes/status.ts'

/** `cause` is `#tls`'s RefusedError or UnreachableError, or undici's. */
export class UnavailableError extends Error {
  constructor(cause: unknown) {
    const inner = (cause as { cause?: unknown })?.cause instanceof Error ? (cause as { cause: Error }).cause : cause
    super(`connection error: desc = "transport: ${transportWords(cause, inner)}"`, { cause })
  }
}

function transportWords(error: unknown, inner: unknown): string {
  const names = [error, inner].map(e => (e as { name?: string })?.name)
  const text = messageOf(names[0] === 'RefusedError' || names[0] === 'UnreachableError' ? error : inner)
  return names.includes('RefusedError') ? `authentication handshake failed: ${text}` : `Error while dialing: ${text}`
}

/** A 500 without reason: responsewriters' answer to an error that it does not know. */
export const storageStatus = (error: unknown) =>
  new StatusError(
    failure(
      500,
      '',
      error instanceof UnavailableError ? `rpc error: code = Unavailable desc = ${error.message}` : messageOf(error),
    ),
    { cause: error },
  )
