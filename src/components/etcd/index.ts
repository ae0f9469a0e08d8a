/** etcd's stand-in: etcd v3 on one client port and one peer port, by etcd's own flags. */
import { createServer } from 'node:net'
import { TrustplaneError } from '#errors.ts'
import type { Component, RunningComponent } from '../component.ts'
import { parseFlags } from '../flags.ts'
import { clusterId, memberId } from './cluster.ts'
import { EtcdServer } from './etcd-server.ts'
import { flags } from './flags.ts'
import { Gateway } from './gateway/gateway.ts'
import { createGrpc } from './grpc/grpc.ts'
import { createHttp } from './http.ts'

export const component: Component = {
  name: 'etcd',
  summary: 'etcd v3: key-value store over gRPC and JSON, client certificates refused inside TLS',
  flags,
  logFormat: 'zap',
  async start(argv, context): Promise<RunningComponent> {
    const { values, ignored } = parseFlags('etcd', flags, argv)
    if (ignored.length > 0) context.log.info('flags accepted, not acted on', { flags: ignored })
    const { voice, log } = context
    const peerUrls = values['initial-advertise-peer-urls'] ?? ['http://localhost:2380']
    const clientUrls = values['advertise-client-urls'] ?? ['http://localhost:2379']
    const id = memberId(peerUrls, values['initial-cluster-token'])
    const self = { id, name: values.name, peerUrls, clientUrls }
    const version = voice === 'go1.19' ? '3.4.23' : '3.5.16'
    const server = new EtcdServer({
      cluster: {
        id: clusterId([id]),
        self,
        members: [self],
        leader: id,
        raftTerm: 2,
        version,
        clusterVersion: version.replace(/\d+$/, '0'),
      },
      maxTxnOps: values['max-txn-ops'],
      maxRequestBytes: values['max-request-bytes'],
      quotaBytes: values['quota-backend-bytes'] || 2 * 2 ** 30,
      progressIntervalMs: values['experimental-watch-progress-notify-interval'],
    })
    const gateway = new Gateway({ server, voice, unavailable: () => undefined })
    const http = await createHttp([createGrpc(server), (request, response) => gateway.handle(request, response)])
    http.app.get('/health', async (_, reply) => {
      reply.type('text/plain; charset=utf-8')
      return '{"health":"true"}'
    })
    http.app.get('/version', async (_, reply) => {
      reply.type('application/json')
      return `{"etcdserver":"${server.cluster.version}","etcdcluster":"${server.cluster.clusterVersion}"}`
    })
    await http.app.ready()
    const url = new URL(values['listen-client-urls'][0]!)
    if (url.protocol !== 'http:') throw new TrustplaneError('TP_FLAG_INVALID', 'etcd: only http:// so far')
    const listener = createServer(socket => {
      socket.setNoDelay(true)
      http.accept(socket)
    })
    await new Promise<void>((resolve, reject) => {
      listener.once('error', reject)
      listener.listen(Number(url.port), url.hostname, resolve)
    })
    server.start()
    const { port } = listener.address() as { port: number }
    log.info('ready to serve client requests')
    return {
      addresses: { client: { host: url.hostname, port } },
      failed: new Promise(() => {}),
      async stop() {
        listener.close()
        await http.close()
        await server.stop()
      },
    }
  },
}
