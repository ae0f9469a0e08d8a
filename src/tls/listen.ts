/** A TLS port: every handshake on it is judged by our verifier and recorded; what passed goes on to an HTTP server (serve.ts). */
import { EventEmitter } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { type Acceptor, acceptConnection } from './accept.ts'
import { contextMaker } from './context.ts'
import { tellBundle, tellIdentity } from './loaded.ts'
import { findPeer } from './peer.ts'
import { certificateChooser } from './server-names.ts'
import type { ListenerEvents, ListenOptions, Peer, TlsListener } from './types.ts'

/** How long an ended connection may take to flush what was written to it. */
const flushMs = 250

export function createTlsListener(options: ListenOptions): TlsListener {
  return new Listener(options)
}

class Listener extends EventEmitter<ListenerEvents> implements TlsListener {
  readonly #options: ListenOptions
  readonly #server: Server
  readonly #acceptor: Acceptor
  readonly #connections = new Set<TLSSocket>()
  /** Connections whose handshake is not over, or was refused a moment ago. */
  readonly #pending = new Set<Socket>()
  #untell: (() => void)[] = []

  constructor(options: ListenOptions) {
    super()
    this.#options = options
    const { identity, sni = [], voice } = options
    const own = { identity, contextOf: contextMaker(options) }
    const others = sni.map(entry => ({ identity: entry.identity, contextOf: contextMaker(options) }))
    const choose = certificateChooser(identity, sni, voice)
    const named =
      options.clientAuth === 'none'
        ? []
        : [options.clientCa, ...(options.otherClientCas ?? [])].filter(source => source !== undefined)
    const acceptor: Acceptor = {
      options,
      alpn: [...(options.alpn ?? ['h2', 'http/1.1'])],
      port: options.port,
      hasSni: sni.length > 0,
      closing: false,
      contextFor(servername, localAddress) {
        const chosen = others.length > 0 ? choose(servername, localAddress) : undefined
        const entry = (chosen === undefined ? undefined : others[chosen]) ?? own
        const identity = entry.identity.current()
        return {
          identity,
          context: entry.contextOf(
            identity,
            named.map(source => source.current()),
          ),
        }
      },
      accepted: (raw, socket, peer) => {
        this.#pending.delete(raw)
        this.#connections.add(socket)
        socket.once('close', () => this.#connections.delete(socket))
        if (!this.emit('connection', socket, peer)) socket.destroy()
      },
      refused: refusal => void this.emit('refused', refusal),
    }
    this.#acceptor = acceptor
    this.#server = createServer({ noDelay: true }, raw => {
      this.#pending.add(raw)
      raw.once('close', () => this.#pending.delete(raw))
      acceptConnection(raw, acceptor)
    })
    // EMFILE and the like: the port stays open, as in Go
    this.#server.on('error', () => {})
  }

  get address(): { host: string; port: number } {
    const bound = this.#server.address() as AddressInfo | null
    return bound ? { host: bound.address, port: bound.port } : { host: this.#options.host, port: this.#options.port }
  }

  listen(): Promise<void> {
    const { host, port } = this.#options
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen({ host, port }, () => {
        this.#server.off('error', reject)
        this.#acceptor.port = this.address.port
        this.#tellLoaded()
        this.emit('listening')
        resolve()
      })
    })
  }

  #tellLoaded(): void {
    const { identity, sni = [], clientAuth, clientCa, otherClientCas = [], component, records, clock } = this.#options
    const place = { component, records, clock, end: 'server', to: component } as const
    const trusted = clientAuth === 'none' ? [] : [clientCa, ...otherClientCas]
    this.#untell = [
      ...[identity, ...sni.map(entry => entry.identity)].map(source => tellIdentity(source, place)),
      ...trusted.filter(source => source !== undefined).map(source => tellBundle(source, place)),
    ]
  }

  closeConnections(filter?: (peer: Peer, socket: TLSSocket) => boolean): void {
    for (const socket of this.#connections) {
      const peer = findPeer(socket)
      if (!filter || (peer && filter(peer, socket))) endConnection(socket)
    }
  }

  close(): Promise<void> {
    this.#acceptor.closing = true
    for (const untell of this.#untell) untell()
    return new Promise(resolve => {
      this.#server.close(() => {
        this.emit('close')
        resolve()
      })
      for (const raw of this.#pending) raw.destroy()
      this.closeConnections()
    })
  }
}

/** What was written is flushed, then the connection ends; an end that does not read is not waited for. */
function endConnection(socket: TLSSocket): void {
  socket.destroySoon()
  const timer = setTimeout(() => socket.destroy(), flushMs)
  socket.once('close', () => clearTimeout(timer))
}
