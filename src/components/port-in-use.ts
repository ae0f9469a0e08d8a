/** A port that is taken, told in Go's words and with who has it. */
import { TrustplaneError } from '#errors.ts'
import { portHolder } from './port-holder.ts'

interface ListenError extends Error {
  code?: string
  port?: number
  address?: string
  cause?: unknown
}

/** `error`, or, when it says EADDRINUSE (itself or its causes), the error that names the port and its holder. */
export function explainPortInUse(error: unknown): unknown {
  let found = error as ListenError | undefined
  for (let depth = 0; found && found.code !== 'EADDRINUSE' && depth < 5; depth++) found = found.cause as ListenError
  if (found?.code !== 'EADDRINUSE' || found.port === undefined) return error
  const { port, address = '' } = found
  const holder = portHolder(port)
  const where = `${address.includes(':') ? `[${address}]` : address}:${port}`
  return new TrustplaneError('TP_PORT_IN_USE', `listen tcp ${where}: bind: address already in use`, {
    fix: `port ${port} is in use${holder ? ` by ${holder.command} (pid ${holder.pid})` : ''}: stop it, or give another port (0: any free one)`,
    cause: error,
  })
}
