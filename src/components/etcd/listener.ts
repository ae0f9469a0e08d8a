/** A URL that is listened on: plain TCP for http://, our TLS for https://, and etcd's log lines for what is refused. */
import { createServer, type Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { createTlsListener } from '#tls/listen.ts'
import type { ListenOptions, Peer } from '#tls/types.ts'
import type { Voice } from '#x509/types.ts'
import type { ComponentContext } from '../component.ts'
import type { Security } from './security.ts'
import type { ListenUrl } from './urls.ts'

export interface PortOptions {
  url: ListenUrl
  /** `etcd` or `etcd-peer`: the name in records. */
  component: string
  context: ComponentContext
  /** Needed for https://. */
  security: Security | undefined
  protocol: Pick<ListenOptions, 'minVersion' | 'maxVersion' | 'cipherSuites'>
  /** A last look at who comes; words: refused, after the handshake, without an alert. */
  check?: ((peer: Peer, socket: TLSSocket) => Promise<string | undefined>) | undefined
  /** A look at a verified client's certificate inside the handshake. */
  verifyPeer?: NonNullable<ListenOptions['verifyPeer']>
  accept(socket: Socket, protocol?: string | false | null): void
}

export interface Port {
  readonly address: { host: string; port: number }
  close(): Promise<void>
}

export async function listen(options: PortOptions): Promise<Port> {
  return options.url.secure ? listenTls(options) : listenPlain(options)
}

async function listenPlain({ url, accept }: PortOptions): Promise<Port> {
  const open = new Set<Socket>()
  const server = createServer({ noDelay: true }, socket => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
    accept(socket)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host: url.host, port: url.port }, resolve)
  })
  // EMFILE and the like: the port stays open
  server.removeAllListeners('error').on('error', () => {})
  const { port } = server.address() as { port: number }
  return {
    address: { host: url.host, port },
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        for (const socket of open) socket.destroy()
      }),
  }
}

async function listenTls({
  url,
  component,
  context,
  security,
  protocol,
  check,
  verifyPeer,
  accept,
}: PortOptions): Promise<Port> {
  const { clock, voice, log, records } = context
  const { identity, bundle, clientAuth, crl } = security!
  const listener = createTlsListener({
    host: url.host,
    port: url.port,
    component,
    clock,
    voice,
    log,
    records,
    identity,
    clientAuth,
    ...(clientAuth === 'require' ? { clientCa: bundle } : {}),
    ...(crl ? { crl } : {}),
    ...(verifyPeer ? { verifyPeer } : {}),
    ...protocol,
  })
  const rejected = (address: string, servername: string, error: string) =>
    log.warn(rejectedConnection(component, voice), { 'remote-addr': address, 'server-name': servername, error })
  listener.on('refused', ({ address, servername, message }) => {
    // a client that just went away is no refusal; etcd logs it all the same, as EOF
    rejected(address, servername, message)
  })
  listener.on('connection', (socket, peer) => {
    if (!check) {
      accept(socket, socket.alpnProtocol || 'http/1.1')
      return
    }
    check(peer, socket).then(words => {
      if (words === undefined) {
        accept(socket, socket.alpnProtocol || 'http/1.1')
        return
      }
      peer.record({ outcome: 'refused', refusedBy: 'server', layer: 'tls', reason: 'name-mismatch', message: words })
      rejected(peer.address, peer.servername ?? '', words)
      socket.destroySoon()
    })
  })
  await listener.listen()
  return {
    address: { host: url.host, port: listener.address.port },
    close: () => listener.close(),
  }
}

/** etcd 3.5 says at which of the two ends. */
function rejectedConnection(component: string, voice: Voice): string {
  if (voice === 'go1.19') return 'rejected connection'
  return `rejected connection on ${component === 'etcd-peer' ? 'peer' : 'client'} endpoint`
}
