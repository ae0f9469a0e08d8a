/** The kubelet's HTTPS server on :10250, and its plain health server on :10248. */
import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'
import { type Authenticator, createAuthenticator } from '#kubernetes/authn.ts'
import { type Authorizer, alwaysAllow } from '#kubernetes/authz.ts'
import type { Client } from '#kubernetes/client.ts'
import { subjectAccessReviews, tokenReviews } from '#kubernetes/delegated.ts'
import type { HealthCheck } from '#kubernetes/health.ts'
import type { Metrics } from '#kubernetes/metrics.ts'
import { kubeletRefusals } from '#kubernetes/refusals.ts'
import { createSecureServer, type SecureServer } from '#kubernetes/serving.ts'
import { noSchemas } from '#no-schemas.ts'
import type { BundleSource, IdentitySource } from '#tls/types.ts'
import type { ComponentContext } from '../component.ts'
import { tlsOptions } from '../tls-options.ts'
import { kubeletAttributes } from './attributes.ts'
import type { Settings } from './configuration.ts'
import { addExec } from './exec.ts'
import { addLogs } from './logs.ts'
import type { Pods } from './pods.ts'
import { addStats } from './stats.ts'

export interface KubeletServerOptions {
  settings: Settings
  context: ComponentContext
  identity: IdentitySource
  clientCa: BundleSource | undefined
  /** Undefined: no kubeconfig (standalone). */
  client: Client | undefined
  pods: Pods
  metrics: Metrics
  requireClientCertificate: boolean
}

const syncLoop: HealthCheck = { name: 'syncloop', check() {} }

/** Not listening yet. @throws Error in the original's words for webhooks without anybody to ask */
export async function createKubeletServer(options: KubeletServerOptions): Promise<SecureServer> {
  const { settings, context, pods, metrics, clientCa } = options
  const server = await createSecureServer({
    component: 'kubelet',
    context,
    host: settings.address,
    port: settings.port,
    identity: options.identity,
    ...(clientCa ? { clientCa } : {}),
    authenticator: authenticatorOf(options),
    authorizer: authorizerOf(options),
    alwaysAllowPaths: [],
    refusals: kubeletRefusals,
    attributes: kubeletAttributes(settings.nodeName),
    checks: [syncLoop],
    metrics,
    ...tlsOptions('kubelet', {
      'tls-min-version': settings.tlsMinVersion,
      'tls-cipher-suites': settings.tlsCipherSuites,
      'require-client-certificate': options.requireClientCertificate && clientCa !== undefined,
    }),
  })
  // net/http's own log: unlike kube-apiserver, the kubelet has it at every verbosity
  server.listener.on('refused', ({ address, message }) => {
    context.log.info(`http: TLS handshake error from ${address}: ${message}`)
  })
  const { app } = server
  const list = async () => ({ kind: 'PodList', apiVersion: 'v1', metadata: {}, items: pods.list() })
  app.get('/pods', list)
  app.get('/pods/', list)
  app.get('/runningpods/', async () => ({
    kind: 'PodList',
    apiVersion: 'v1',
    metadata: {},
    items: pods.workers().flatMap(({ pod, containers }) => {
      const running = containers.filter(({ state }) => state.kind === 'running')
      if (running.length === 0) return []
      const { name, namespace, uid } = pod.metadata
      const spec = { containers: running.map(({ spec }) => ({ name: spec.name, image: spec.image, resources: {} })) }
      return [{ metadata: { name, namespace, uid }, spec, status: {} }]
    }),
  }))
  app.get('/configz', async () => ({ kubeletconfig: configz(settings) }))
  addLogs(app, pods)
  addExec(server, pods, context.log)
  addStats(app, pods, settings, context.clock)
  return server
}

function authenticatorOf({ settings, context, clientCa, client, metrics }: KubeletServerOptions): Authenticator {
  if (settings.webhookAuthentication && !client)
    throw new Error('no client provided, cannot use webhook authentication')
  const { clock, voice } = context
  return createAuthenticator({
    clock,
    voice,
    anonymous: settings.anonymous,
    ...(clientCa ? { clientCa } : {}),
    ...(settings.webhookAuthentication && client
      ? { tokens: [tokenReviews({ client, cacheMs: settings.cacheMs.token })] }
      : {}),
    onCertificate: seconds => metrics.observe('apiserver_client_certificate_expiration_seconds', seconds),
  })
}

function authorizerOf({ settings, client }: KubeletServerOptions): Authorizer {
  if (settings.authorizationMode === 'AlwaysAllow') return alwaysAllow
  if (!client) throw new Error('no client provided, cannot use webhook authorization')
  const { authorized: allowedCacheMs, unauthorized: deniedCacheMs } = settings.cacheMs
  return subjectAccessReviews({ client, allowedCacheMs, deniedCacheMs })
}

const configz = (settings: Settings) => ({
  address: settings.address,
  port: settings.port,
  rotateCertificates: settings.rotateCertificates,
  serverTLSBootstrap: settings.serverTlsBootstrap,
  authentication: {
    x509: { clientCAFile: settings.clientCaFile },
    webhook: { enabled: settings.webhookAuthentication },
    anonymous: { enabled: settings.anonymous },
  },
  authorization: { mode: settings.authorizationMode },
  maxPods: settings.maxPods,
})

/** healthzPort: for whoever sits on the same machine. */
export async function startHealthz(place: NonNullable<Settings['healthz']>) {
  const app = Fastify({ schemaController: noSchemas, forceCloseConnections: true })
  app.get('/healthz', async (_request, reply) => reply.header('content-type', 'text/plain; charset=utf-8').send('ok'))
  await app.listen({ host: place.host, port: place.port })
  const { port } = app.server.address() as AddressInfo
  return { address: { host: place.host, port }, close: () => app.close() }
}
