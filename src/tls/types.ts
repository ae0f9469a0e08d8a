/** The words of this room, which everything above it uses: sources of files, listeners, dialers, and the record of a handshake. */
import type { EventEmitter } from 'node:events'
import type { TLSSocket } from 'node:tls'
import type { Dispatcher } from 'undici'
import type { Clock } from '#clock.ts'
import type { Log } from '#log.ts'
import type { Reason } from '#x509/reasons.ts'
import type { Certificate, RevocationList, Verdict, Voice } from '#x509/types.ts'

export type End = 'client' | 'server'
export type Layer = 'tls' | 'authentication' | 'authorization'
export type Outcome = 'ok' | 'refused' | 'unreachable'

/** A certificate as a record shows it. No key is ever in a record. */
export interface PresentedCertificate {
  subject: string
  issuer: string
  /** Lower-case hex, no separators. */
  serial: string
  notBefore: string
  notAfter: string
  sha256: string
  dnsNames?: string[]
  ipAddresses?: string[]
  extKeyUsage?: string[]
  /** Only for one's own certificate: the file it came from. */
  file?: string
}

/**
 * What one end saw of one handshake. Two ends' records share `handshake` (the client random, hex).
 * A later record of the same handshake, end and observer supersedes an earlier one: the TLS layer writes the first,
 * and the HTTP layer a second when it answered or got 401 or 403.
 */
export interface HandshakeRecord {
  /** RFC 3339 with milliseconds, by the component's clock. */
  time: string
  handshake: string
  /** The component that saw it (`kube-apiserver`, `node-1` kubelets are `kubelet`), or `probe`. */
  observer: string
  /** Of several members of etcd: which one saw it. */
  member?: string
  end: End
  /** The row of the connection table. A server knows only `to`. */
  from?: string
  to: string
  /** The other end's address for a server; the address dialled for a client. `host:port` */
  address: string
  /** The port listened on or dialled. */
  port: number
  /** Client: its own end of the connection, `host:port`, which is the server's `address`. Joins the two where there is no handshake id. */
  local?: string
  outcome: Outcome
  refusedBy?: End
  layer?: Layer
  reason?: Reason
  /** The words of this end, as the real component would print them. */
  message?: string
  alert?: { code: number; name: string; direction: 'sent' | 'received' }
  own?: PresentedCertificate
  /** As sent by the other end, leaf first. */
  peer?: PresentedCertificate[]
  /** The bundle that this end checked the other with. */
  bundle?: string
  /** Client: the name or IP that the server's certificate was checked for. Server: the SNI. */
  name?: string
  tls?: { version: string; cipher: string; group?: string; alpn?: string; resumed: boolean }
  /** Who the server took the client for; on authentication and authorization outcomes. */
  user?: { name: string; groups: string[] }
  http?: { status: number; method?: string; path?: string }
}

/** What a component holds of one file, told when it was loaded, and again when it was loaded anew. */
export interface LoadedFile {
  time: string
  /** The same by the system's clock, epoch milliseconds, as the times of files are. */
  systemMs: number
  pid: number
  component: string
  end: End
  /** The row of the connection table that it is for; a server knows only `to`. */
  from?: string
  to: string
  use: 'certificate' | 'trust'
  file: string
  /** SHA-256 of each certificate in memory: a chain leaf first, a bundle in its order. */
  sha256: string[]
  reload: Reload
}

/** Where records go: appended to `<state>/connections/<component>.jsonl`, kept in memory, or both. */
export interface RecordSink {
  write(record: HandshakeRecord): void
  /** For `status --drift`: appended to `<state>/loaded/<component>.jsonl`. */
  loaded?(file: LoadedFile): void
  close(): Promise<void>
}

/**
 * When files are read again:
 * - `start`: only at start (kubeconfigs of the scheduler and controller-manager, etcd's trusted CA)
 * - `watch`: when they change, and every minute (kube-apiserver's serving certificate and client CA)
 * - `handshake`: for every handshake, when they changed (etcd's own certificates)
 * - `client-go`: as `handshake`, and every five minutes (client certificates in files, of every client-go client)
 */
export type Reload = 'start' | 'watch' | 'handshake' | 'client-go'

/** A certificate chain and its key, in memory. */
export interface Identity {
  /** PEM, leaf first, as served. */
  certificate: string
  /** PKCS#8, SEC1 or PKCS#1 PEM. */
  key: string
  /** Where it came from, for records. */
  file?: string
  /** Parsed, leaf first. */
  chain: readonly Certificate[]
}

export interface IdentitySource {
  /** Of files; left out: it is in memory, and changes only when its owner changes it. */
  readonly reload?: Reload
  current(): Identity
  /** Called after `current()` changed. Returns a function that stops it. */
  onChange(listener: () => void): () => void
  close(): void
}

export interface NamedIdentity {
  /** Exact, or with `*` as the first label; an IP is for clients without a server name that dialled it. Left out or empty: the certificate's own. */
  names?: readonly string[]
  identity: IdentitySource
}

export interface Bundle {
  /** The trust anchors, parsed by the rules of the component that reads it. */
  roots: readonly Certificate[]
  file?: string
}

export interface BundleSource {
  /** Of files; left out: it is in memory, and changes only when its owner changes it. */
  readonly reload?: Reload
  current(): Bundle
  onChange(listener: () => void): () => void
  close(): void
}

/** Everything but endpoints/, which has a bad server of each kind, speaks 1.2 and 1.3. */
export type TlsVersion = 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3'

interface Common {
  /** The component that listens or dials, for records. */
  component: string
  clock: Clock
  voice: Voice
  log: Log
  records: RecordSink
  /** Default TLSv1.2. */
  minVersion?: TlsVersion
  maxVersion?: TlsVersion
  /** Go's names (`TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256`); TLS 1.3 suites are not configurable, as in Go. */
  cipherSuites?: readonly string[]
}

export interface ListenOptions extends Common {
  host: string
  /** 0: any free one. */
  port: number
  identity: IdentitySource
  /**
   * - `none`: no certificate is asked for
   * - `request`: asked for; whatever comes, the handshake ends well and `peerOf(socket).verdict` says what to think of it (kube-apiserver, kubelet, …)
   * - `require`: a missing or bad one is refused inside TLS, with Go's alert (etcd)
   */
  clientAuth: 'none' | 'request' | 'require'
  /** Needed for `require`; optional for `request` (authenticators there may use several bundles: front proxy and client CA). */
  clientCa?: BundleSource
  /** Whose CAs clients are told besides `clientCa`'s (kube-apiserver's front proxy CA). They decide nothing here. */
  otherClientCas?: readonly BundleSource[]
  /** Go's VerifyPeerCertificate, for etcd's --peer-cert-allowed-cn and the like: a client whose chain is good is refused all the same, with these words. */
  verifyPeer?: (leaf: Certificate) => string | undefined
  /** etcd's --client-crl-file: looked at after the handshake, by serial. */
  crl?: () => RevocationList | undefined
  /** Default ['h2', 'http/1.1']. */
  alpn?: readonly string[]
  /** `--tls-sni-cert-key`: served instead of `identity` to who asks for one of these names. */
  sni?: readonly NamedIdentity[]
  /** Plain HTTP on the TLS port: `answer` says what Go's net/http says (HTTP 400), `close` (default) just closes, as etcd does. */
  plainHttp?: 'answer' | 'close'
  /** A handshake that takes longer is ended. Default 10 s. */
  handshakeTimeoutMs?: number
}

/** A connection that ended before or by the verdict; told by the listener's `refused` event, for logs and counters. */
export interface Refusal {
  /** The other end, `host:port`. */
  address: string
  servername: string
  /** As Go's server would log it: `tls: failed to verify certificate: x509: …`, `remote error: tls: bad certificate`, `EOF`. */
  message: string
  /** Left out when nothing that could be a handshake ever came (a port scan, plain HTTP). */
  record?: HandshakeRecord
}

/** What a server knows of the other end of a connection. */
export interface Peer {
  handshake: string
  /** As sent, leaf first; empty when none was presented. */
  certificates: readonly Certificate[]
  /** The verdict under `clientCa`; undefined without a certificate or without `clientCa`. */
  verdict?: Verdict
  address: string
  servername?: string
  /** Write a superseding record for this handshake (401, 403, a name known now). */
  record(update: Partial<HandshakeRecord>): void
}

/** Events: see `ListenerEvents`. HTTP servers are put on it with `serverFactory` (serve.ts). */
export interface TlsListener extends EventEmitter<ListenerEvents> {
  /** After `listen()`; before, what was asked for. */
  readonly address: { host: string; port: number }
  listen(): Promise<void>
  /** Close connections (all, or those that the filter takes): what the originals do on reload. */
  closeConnections(filter?: (peer: Peer, socket: TLSSocket) => boolean): void
  /** Stop listening, end every connection. */
  close(): Promise<void>
}

export interface ListenerEvents {
  /** A handshake that ended well. The socket is this listener's to end. */
  connection: [socket: TLSSocket, peer: Peer]
  refused: [refusal: Refusal]
  listening: []
  close: []
}

export interface DialOptions extends Common {
  /** The row of the connection table. */
  from: string
  to: string
  /** Presented when the server asks; left out: none. */
  identity?: IdentitySource
  roots: BundleSource
  /** Checked instead of the dialled host (`--tls-server-name`). */
  servername?: string
  /** kubeconfig's insecure-skip-tls-verify: only for the scenario about it. The record says so. */
  insecureSkipVerify?: boolean
  /** Default ['http/1.1']. */
  alpn?: readonly string[]
  /** Default 10 s, as Go's http.Transport. */
  handshakeTimeoutMs?: number
  /** HTTP/2 for `agent`'s requests when the server speaks it; default: when `alpn` has h2. */
  http2?: boolean
}

export interface Dialer {
  /** One TLS connection, verified; resolves when our side of the handshake is done. Rejects with RefusedError or UnreachableError. */
  connect(target: { host: string; port: number }): Promise<TLSSocket>
  /** An undici Agent whose connections are made by this dialer. A refusal surfaces as the request's error (`RefusedError` itself or as cause). */
  readonly agent: Dispatcher
  /** End every connection, so that the next request handshakes anew. */
  closeConnections(): void
  /** From the next request on over new connections (certificate rotation); those that are open end with their requests. */
  retireConnections(): void
  close(): Promise<void>
}
