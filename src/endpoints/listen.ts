/** A listener for fixtures, and the few words of HTTP that it answers: who it took the client for, or kube-apiserver's 401 and 403. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TLSSocket } from 'node:tls'
import { systemClock } from '#clock.ts'
import { silentLog } from '#log.ts'
import { memoryBundle } from '#tls/bundle.ts'
import { createTlsListener } from '#tls/listen.ts'
import { peerOf } from '#tls/peer.ts'
import { serverFactory } from '#tls/serve.ts'
import type { ListenOptions, RecordSink, TlsListener } from '#tls/types.ts'
import { parseRevocationList } from '#x509/crl.ts'
import type { Voice } from '#x509/types.ts'

export interface ServeOptions {
  /** Records and answers have this name. */
  name: string
  host: string
  port: number
  identity: ListenOptions['identity']
  sni?: ListenOptions['sni']
  clientAuth: ListenOptions['clientAuth']
  /** PEM. */
  clientCa: string
  /** PEM. */
  crl?: string | undefined
  voice: Voice
  records: RecordSink
  tls?: Partial<Pick<ListenOptions, 'minVersion' | 'maxVersion' | 'cipherSuites' | 'alpn'>> | undefined
}

/** @throws Error EADDRINUSE and the like */
export async function serve(options: ServeOptions): Promise<TlsListener> {
  const { name, host, port, identity, sni, clientAuth, voice, records } = options
  const list = options.crl === undefined ? undefined : parseRevocationList(options.crl)
  const listener = createTlsListener({
    component: name,
    clock: systemClock,
    voice,
    log: silentLog,
    records,
    host,
    port,
    identity,
    ...(sni ? { sni } : {}),
    clientAuth,
    clientCa: memoryBundle(options.clientCa),
    ...(list ? { crl: () => list } : {}),
    plainHttp: 'answer',
    ...options.tls,
  })
  serverFactory(listener, { http2: true })((request, response) => answer(name, clientAuth, request, response))
  await listener.listen()
  return listener
}

const reply = (response: ServerResponse, status: number, document: object) => {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(`${JSON.stringify(document)}\n`)
}

/** apimachinery's Status. */
const failure = (code: number, reason: string, message: string) => ({
  kind: 'Status',
  apiVersion: 'v1',
  metadata: {},
  status: 'Failure',
  message,
  reason,
  code,
})

function answer(
  name: string,
  clientAuth: ListenOptions['clientAuth'],
  request: IncomingMessage,
  response: ServerResponse,
) {
  const peer = peerOf(request.socket as TLSSocket)
  const [leaf] = peer.certificates
  if (clientAuth === 'request' && peer.verdict?.verdict === 'reject') {
    const { reason, message } = peer.verdict
    peer.record({
      outcome: 'refused',
      refusedBy: 'server',
      layer: 'authentication',
      reason,
      message,
      http: { status: 401 },
    })
    return reply(response, 401, failure(401, 'Unauthorized', 'Unauthorized'))
  }
  if (clientAuth === 'request' && !leaf) {
    const message = `forbidden: User "system:anonymous" cannot get path "${request.url}"`
    peer.record({
      outcome: 'refused',
      refusedBy: 'server',
      layer: 'authorization',
      reason: 'forbidden',
      message,
      http: { status: 403 },
    })
    return reply(response, 403, failure(403, 'Forbidden', message))
  }
  reply(response, 200, { endpoint: name, client: leaf?.subject.toString() ?? null })
}
