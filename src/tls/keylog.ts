/** Node's `keylog` lines (NSS key log format): the handshake's id, and the secrets an alert is sealed with. */
import type { TLSSocket } from 'node:tls'

export interface Keylog {
  /** The client random, hex: the id that both ends' records share. '' until the first line. */
  clientRandom(): string
  /** `SERVER_TRAFFIC_SECRET_0`, `CLIENT_HANDSHAKE_TRAFFIC_SECRET`, … */
  secret(label: string): Buffer | undefined
  /** Secrets are for the handshake only. */
  forget(): void
}

export function watchKeylog(socket: TLSSocket): Keylog {
  let random = ''
  const secrets = new Map<string, Buffer>()
  const onLine = (line: Buffer) => {
    // `LABEL <client random> <secret>\n`
    const [label, id, secret] = line.toString('latin1').trimEnd().split(' ')
    if (!label || !id || !secret) return
    random = id
    secrets.set(label, Buffer.from(secret, 'hex'))
  }
  socket.on('keylog', onLine)
  return {
    clientRandom: () => random,
    secret: label => secrets.get(label),
    forget() {
      for (const secret of secrets.values()) secret.fill(0)
      secrets.clear()
      socket.removeListener('keylog', onLine)
    },
  }
}
