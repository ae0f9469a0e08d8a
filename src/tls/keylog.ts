/** Node's `keylog` lines (NSS key log format): the handshake's id, and the secrets an alert is sealed with. */
import type { TLSSocket } from 'node:tls'

/** `LABEL <client random, 64 hex digits> <secret>\n`. Lines are kept as they come and read when somebody asks: most are never. */
export class Keylog {
  readonly #socket: TLSSocket
  #lines: Buffer[] = []
  #random = ''

  /** @param onLine called for every line, with the log itself */
  constructor(socket: TLSSocket, onLine?: (keylog: Keylog) => void) {
    this.#socket = socket
    this.#listener = line => {
      this.#lines.push(line)
      onLine?.(this)
    }
    socket.on('keylog', this.#listener)
  }

  readonly #listener: (line: Buffer) => void

  /** The client random, hex: the id that both ends' records share. '' until the first line. */
  get clientRandom(): string {
    const [first] = this.#lines
    if (this.#random === '' && first) {
      const at = first.indexOf(0x20) + 1
      this.#random = first.toString('latin1', at, at + 64)
    }
    return this.#random
  }

  /** `SERVER_TRAFFIC_SECRET_0`, `CLIENT_HANDSHAKE_TRAFFIC_SECRET`, … */
  secret(label: string): Buffer | undefined {
    const line = this.#lines.find(candidate => candidate.toString('latin1', 0, candidate.indexOf(0x20)) === label)
    return line && Buffer.from(line.toString('latin1').trimEnd().split(' ')[2] ?? '', 'hex')
  }

  has(label: string): boolean {
    return this.secret(label) !== undefined
  }

  /** Secrets are for the handshake only. */
  forget(): void {
    this.#random = this.clientRandom
    this.#socket.removeListener('keylog', this.#listener)
    for (const line of this.#lines) line.fill(0)
    this.#lines = []
  }
}
