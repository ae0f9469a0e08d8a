/** etcd's stand-in: etcd v3 on its client port (gRPC, JSON, health, metrics) and its peer port, by etcd's own flags. */

import { joinHostPort } from '#tls/errors.ts'
import { withMember } from '#tls/records.ts'
import type { Component, ComponentContext, RunningComponent } from '../component.ts'
import { allowedPeers } from './allowed-peers.ts'
import { startAutoCompaction } from './auto-compaction.ts'
import { quotaOf, readConfig } from './config.ts'
import { openDataDir } from './disk/data-dir.ts'
import { EtcdServer } from './etcd-server.ts'
import { flags } from './flags.ts'
import { Gateway } from './gateway/gateway.ts'
import { GatewayConnection } from './gateway-connection.ts'
import { grpcWhenAsked } from './grpc-handler.ts'
import { createHttp, type HttpServer } from './http.ts'
import { listen, type Port, type PortOptions } from './listener.ts'
import { Metrics } from './metrics.ts'
import { checkCertSan } from './peer-san.ts'
import { createPeerHttp, openPeers } from './peers.ts'
import { registerHealth, registerManners, registerMetrics, registerNotFound, registerVersion } from './plain-paths.ts'
import { clientSide, peerSide, protocolOptions, securityFor } from './security.ts'

export const component: Component = {
  name: 'etcd',
  summary: 'etcd v3: key-value store over gRPC and JSON, client certificates refused inside TLS',
  flags,
  logFormat: 'zap',
  start,
}

async function start(argv: readonly string[], given: ComponentContext): Promise<RunningComponent> {
  const { log, voice } = given
  const config = readConfig(argv, voice)
  const { values, cluster, clientUrls, peerUrls } = config
  const context = cluster.members.length > 1 ? { ...given, records: withMember(given.records, values.name) } : given
  const protocol = protocolOptions(values)
  /** What has to be undone, last first. */
  const undo: (() => unknown)[] = []
  const stop = async () => {
    for (const step of undo.splice(0).reverse()) await step()
  }
  const failure = Promise.withResolvers<Error>()

  try {
    const server = new EtcdServer({
      cluster,
      maxTxnOps: values['max-txn-ops'],
      maxRequestBytes: values['max-request-bytes'],
      quotaBytes: quotaOf(values),
      progressIntervalMs:
        values['watch-progress-notify-interval'] ?? values['experimental-watch-progress-notify-interval'],
    })
    const metrics = new Metrics(server)
    const clientSecurity = await securityFor('client', [...clientUrls, ...config.metricsUrls], clientSide(values), log)
    if (clientSecurity) undo.push(() => clientSecurity.close())
    const peerSecurity = await securityFor('peer', peerUrls, peerSide(values), log)
    if (peerSecurity) undo.push(() => peerSecurity.close())
    log.info('starting an etcd server', {
      'etcd-version': cluster.version,
      name: values.name,
      'data-dir': values['data-dir'] ?? '',
      'listen-peer-urls': peerUrls.map(({ text }) => text),
      'listen-client-urls': clientUrls.map(({ text }) => text),
      'advertise-client-urls': cluster.self.clientUrls,
    })
    const peers = openPeers({ server, context, security: peerSecurity, protocol })
    undo.push(() => peers.close())
    if (cluster.members.length > 1) {
      const { Replica } = await import('./raft/replica.ts')
      const electionMs = values['election-timeout']
      server.replicate(options => new Replica(options), {
        heartbeatMs: values['heartbeat-interval'],
        electionMs,
        send: (to, message) => peers.send(to, message, 2 * electionMs),
      })
    }
    if (values['data-dir'] !== undefined) {
      const journal = await openDataDir(values['data-dir'], {
        log,
        onSync: seconds => metrics.fsync(seconds),
        onFatal: error => failure.resolve(error),
      })
      undo.push(() => journal.close())
      await server.recover(journal)
    }
    undo.push(() => server.stop())

    const addresses: RunningComponent['addresses'] = {}
    const peerHttp = await createPeerHttp(server)
    undo.push(() => peerHttp.close())
    for (const [i, url] of peerUrls.entries()) {
      const skipsSan =
        values['peer-skip-client-san-verification'] || values['experimental-peer-skip-client-san-verification']
      const port = await open({
        url,
        component: 'etcd-peer',
        security: peerSecurity,
        http: peerHttp,
        check: async ({ certificates: [leaf] }, socket) =>
          leaf && !skipsSan ? checkCertSan(leaf, socket.remoteAddress ?? '', voice) : undefined,
        ...allowedPeers(voice, values['peer-cert-allowed-cn'], values['peer-cert-allowed-hostname']),
      })
      addresses[i === 0 ? 'peer' : `peer${i + 1}`] = port.address
      log.info('serving peer traffic', { address: joinHostPort(port.address.host, port.address.port) })
    }

    const gatewayTo: { connection?: GatewayConnection } = {}
    const gateway = new Gateway({ server, metrics, voice, unavailable: () => gatewayTo.connection?.unavailable() })
    const clientHttp = await createHttp([grpcWhenAsked(server, metrics), (...exchange) => gateway.handle(...exchange)])
    undo.push(() => clientHttp.close())
    registerManners(clientHttp.app)
    registerHealth(clientHttp.app, server, voice)
    registerVersion(clientHttp.app, server)
    registerMetrics(clientHttp.app, metrics)
    registerNotFound(clientHttp.app)
    await clientHttp.app.ready()
    for (const [i, url] of clientUrls.entries()) {
      const port = await open({
        url,
        component: 'etcd',
        security: clientSecurity,
        http: clientHttp,
        ...allowedPeers(voice, undefined, values['client-cert-allowed-hostname']),
      })
      addresses[i === 0 ? 'client' : `client${i + 1}`] = port.address
      if (url.secure && !gatewayTo.connection) {
        const connection = new GatewayConnection(port.address, clientSecurity!, context)
        gatewayTo.connection = connection
        undo.push(() => connection.close())
      }
      if (url.secure)
        log.info('serving client traffic securely', { address: joinHostPort(port.address.host, port.address.port) })
      else
        log.warn('serving client traffic insecurely; this is strongly discouraged!', {
          address: joinHostPort(port.address.host, port.address.port),
        })
    }
    if (config.metricsUrls.length > 0) {
      const metricsHttp = await createHttp([])
      undo.push(() => metricsHttp.close())
      registerHealth(metricsHttp.app, server, voice)
      registerMetrics(metricsHttp.app, metrics)
      registerNotFound(metricsHttp.app)
      await metricsHttp.app.ready()
      for (const [i, url] of config.metricsUrls.entries()) {
        const port = await open({ url, component: 'etcd', security: clientSecurity, http: metricsHttp })
        addresses[i === 0 ? 'metrics' : `metrics${i + 1}`] = port.address
        log.info('serving metrics', { address: joinHostPort(port.address.host, port.address.port) })
      }
    }

    peers.watch()
    await server.start()
    // before the ports close
    undo.push(() => server.leave())
    if (config.autoCompaction) undo.push(startAutoCompaction(config.autoCompaction, server, log))
    log.info('ready to serve client requests')
    return { addresses, failed: failure.promise, stop }
  } catch (error) {
    await stop()
    throw error
  }

  async function open(
    options: Omit<PortOptions, 'context' | 'protocol' | 'accept'> & { http: HttpServer },
  ): Promise<Port> {
    const { http, ...rest } = options
    const port = await listen({ ...rest, context, protocol, accept: (socket, alpn) => http.accept(socket, alpn) })
    undo.push(() => port.close())
    return port
  }
}
