/** What an end knows of the other end of a connection, kept on its socket. */
import type { Duplex } from 'node:stream'
import type { Peer } from './types.ts'

/** A property and not a WeakMap: http2 hands out a proxy of the socket, which passes properties on. */
const kPeer = Symbol('trustplane.peer')

interface WithPeer {
  [kPeer]?: Peer
}

export function setPeer(socket: Duplex, peer: Peer): void {
  ;(socket as Duplex & WithPeer)[kPeer] = peer
}

/**
 * The peer of a connection that came in through a listener.
 * @param socket the TLSSocket itself, or `request.raw.socket` (HTTP/1.1, HTTP/2 and upgrades)
 * @throws Error for any other socket: a request that did not come over our TLS must not be taken for one that did
 */
export function peerOf(socket: Duplex): Peer {
  const peer = (socket as Duplex & WithPeer)[kPeer]
  if (!peer) throw new Error('this socket was not accepted by a TLS listener')
  return peer
}

/** As `peerOf`, undefined for sockets of another kind. */
export function findPeer(socket: Duplex): Peer | undefined {
  return (socket as Duplex & WithPeer)[kPeer]
}
