/** The kube-apiserver stand-in: its parts, put together by its original's flags. */
import { networkInterfaces } from 'node:os'
import { TrustplaneError } from '#errors.ts'
import { Audit } from '#kubernetes/audit.ts'
import { createAuditLog } from '#kubernetes/audit-log.ts'
import { loadAuditPolicy } from '#kubernetes/audit-policy.ts'
import { Metrics } from '#kubernetes/metrics.ts'
import { createSecureServer, type SecureServer } from '#kubernetes/serving.ts'
import { time } from '#kubernetes/time.ts'
import { joinHostPort } from '#tls/errors.ts'
import { fileIdentity } from '#tls/identity.ts'
import type { Component, ComponentContext, RunningComponent } from '../component.ts'
import { commonFlags, parseFlags } from '../flags.ts'
import { sniIdentities } from '../sni-cert-keys.ts'
import { tlsVersion } from '../tls-options.ts'
import { certificateSigners, certificateSubjectRestriction } from './admission/certificates.ts'
import { defaultTolerationSeconds, namespaceLifecycle, restrictNodes } from './admission/plugins.ts'
import { serviceAccount } from './admission/service-accounts.ts'
import { serviceAddresses } from './admission/service-addresses.ts'
import { chain } from './admission/types.ts'
import { createWebhooks } from './admission/webhooks.ts'
import { type RemoteApi, type RemoteApis, watchApiServices } from './aggregation/apiservices.ts'
import { othersOf } from './aggregation/discovery.ts'
import { proxyToApi } from './aggregation/proxy.ts'
import { publishAuthentication, publishClusterInfo } from './bootstrap/config-maps.ts'
import { publishKubernetesService } from './bootstrap/kubernetes-service.ts'
import { wantedObjects } from './bootstrap/objects.ts'
import { knownKeys, missingOf, writeMissing } from './bootstrap/write.ts'
import { watchDefinitions } from './custom-resources/definitions.ts'
import { awaitEtcd, connectEtcd } from './etcd-connection.ts'
import { flags, type Values } from './flags.ts'
import { createAuthentication } from './identity/authentication.ts'
import { createAuthorization } from './identity/authorization.ts'
import { createTokenIssuer } from './identity/tokens.ts'
import { connectKubelets } from './proxy/kubelets.ts'
import { proxyToNode } from './proxy/nodes.ts'
import { forwardUpgrade } from './proxy/upgrade.ts'
import { resourceOf } from './resources/table.ts'
import { addRoutes } from './routes.ts'
import { startCompactor } from './storage/compactor.ts'
import { StoreInformer } from './storage/informer.ts'
import { Store } from './storage/store.ts'
import { WatchHub } from './storage/watch.ts'
import type { Api } from './verbs/types.ts'
import { componentHealth } from './virtual/component-health.ts'

const allFlags = [...flags, ...commonFlags]

async function start(argv: readonly string[], context: ComponentContext): Promise<RunningComponent> {
  const values = parseFlags('kube-apiserver', allFlags, argv).values as unknown as Values & {
    'require-client-certificate': boolean
  }
  const { log, clock } = context
  // What can be wrong with files is said before anything is dialled.
  const identity = servingIdentity(values, context)
  const sni = sniIdentities('kube-apiserver', values['tls-sni-cert-key'], log)
  const connection = connectEtcd(values, context)
  const { etcd } = connection
  const hub = new WatchHub({ etcd, root: `${values['etcd-prefix']}/`, log })
  const store = new Store(etcd, hub)
  const metrics = new Metrics()
  const authentication = createAuthentication(values, context, store, metrics)
  const authorization = createAuthorization(values['authorization-mode'], store)
  const namespaces = new StoreInformer(store, resourceOf('', 'namespaces'))
  const hooks = 'admissionregistration.k8s.io'
  const mutating = new StoreInformer(store, resourceOf(hooks, 'mutatingwebhookconfigurations'))
  const validating = new StoreInformer(store, resourceOf(hooks, 'validatingwebhookconfigurations'))
  const webhooks = createWebhooks({ store, context, namespaces, mutating, validating })
  const proxyIdentity = clientIdentity(values, context)
  const apis = watchApiServices(store, context, proxyIdentity)
  const custom = watchDefinitions(store, context)
  const informers = [...authorization.informers, namespaces, mutating, validating, apis.informer, custom.informer]

  const serviceRange = values['service-cluster-ip-range'][0] ?? '10.96.0.0/12'
  const addresses = serviceAddresses({ store, range: serviceRange, nodePorts: values['service-node-port-range'] })
  const admission = chain(
    [
      namespaceLifecycle(namespaces, store),
      serviceAccount(store),
      defaultTolerationSeconds,
      addresses,
      webhooks.mutate,
    ],
    [
      namespaceLifecycle(namespaces, store),
      certificateSubjectRestriction,
      certificateSigners(authorization.authorizer),
      ...(values['enable-admission-plugins']?.includes('NodeRestriction') ? [restrictNodes(store)] : []),
      webhooks.validate,
    ],
  )
  const kubelets = connectKubelets(values, context, store)
  const health = componentHealth(context, etcd, {
    scheduler: values['scheduler-address'],
    'controller-manager': values['controller-manager-address'],
  })
  const api: Api = {
    store,
    clock,
    log,
    admission,
    tokens: createTokenIssuer(values),
    authorizer: authorization.authorizer,
    authenticateToken: authentication.authenticateToken,
    rbac: authorization.rbac,
    audiences: authentication.audiences,
    health: health.all,
    kubelets,
  }

  hub.start(await awaitEtcd(etcd, context, context.signal))
  const wanted = wantedObjects(time(clock.now()))
  const known = await knownKeys(store, wanted)
  const revision = await writeMissing(store, missingOf(wanted, known, clock.now()))
  await Promise.all(informers.map(informer => informer.start()))
  await hub.reached(revision)

  const server = await createSecureServer({
    component: 'kube-apiserver',
    context,
    host: values['bind-address'],
    port: values['secure-port'],
    identity,
    sni,
    ...(authentication.clientCa ? { clientCa: authentication.clientCa } : {}),
    ...(authentication.requestHeaderCa ? { otherClientCas: [authentication.requestHeaderCa] } : {}),
    requireClientCertificate: values['require-client-certificate'],
    ...tlsOptions(values),
    authenticator: authentication.authenticator,
    authorizer: authorization.authorizer,
    alwaysAllowPaths: [],
    impersonation: true,
    metrics,
    requestMetrics: 'apiserver',
    ...audit(values, context, metrics),
    checks: [
      { name: 'etcd', check: async () => void (await etcd.range({ key: '/registry/health' })) },
      {
        name: 'etcd-readiness',
        check: async () => void (await etcd.range({ key: '/registry/health' })),
        in: ['readyz'],
      },
      { name: 'informer-sync', check() {}, in: ['readyz'] },
      { name: 'poststarthook/rbac/bootstrap-roles', check() {} },
      { name: 'poststarthook/apiservice-registration-controller', check() {} },
    ],
  })
  const address = () => ({ host: advertised(values), port: server.address.port })
  addRoutes(server.app, {
    api,
    server,
    serverAddress: () => joinHostPort(address().host, address().port),
    others: othersOf(() => apis.all()),
    custom,
    elsewhere(request, reply) {
      const { info } = request
      if (info.resource === 'nodes' && info.subresource === 'proxy') return proxyToNode(request, reply, kubelets)
      if (info.apiPrefix !== 'apis') return undefined
      const api = remoteOf(info.path, apis)
      return api && proxyToApi(request, reply, { api, store, log })
    },
  })
  server.onUpgrade(request => void forwardUpgrade(api, request))
  await server.listen()
  const { host, port } = address()
  const authenticationTrust = publishAuthentication(
    store,
    values,
    [authentication.clientCa, authentication.requestHeaderCa],
    () => clock.now(),
  )
  await Promise.all([
    publishKubernetesService({ store, now: clock.now(), serviceRange, address: host, port }),
    publishClusterInfo(store, values, `https://${joinHostPort(host, port)}`, clock.now()),
    authenticationTrust.written,
  ])
  const stopCompactor = startCompactor({
    etcd,
    revision: () => hub.revision,
    intervalMs: values['etcd-compaction-interval'],
    clock,
    log,
  })
  return running(server, async () => {
    stopCompactor()
    await server.close()
    for (const informer of informers) informer.stop()
    await hub.stop()
    await kubelets.close()
    await health.close()
    authenticationTrust.stop()
    await apis.close()
    await webhooks.close()
    proxyIdentity?.close()
    authentication.close()
    identity.close()
    for (const pair of sni) pair.identity.close()
    await connection.close()
  })
}

function running(server: SecureServer, stop: () => Promise<void>): RunningComponent {
  return { addresses: { secure: server.address }, failed: new Promise(() => {}), stop }
}

function servingIdentity(values: Values, { log }: ComponentContext) {
  const certFile = values['tls-cert-file']
  const keyFile = values['tls-private-key-file']
  if (!certFile || !keyFile)
    throw new TrustplaneError(
      'TP_FLAG_INVALID',
      'kube-apiserver: --tls-cert-file and --tls-private-key-file are needed',
      {
        fix: 'give the serving certificate, for example --tls-cert-file=pki/apiserver.crt --tls-private-key-file=pki/apiserver.key',
      },
    )
  return fileIdentity({ certFile, keyFile, reload: 'watch', log, name: 'serving-cert' })
}

/** --proxy-client-*: shown to aggregated APIs, read again when it changes. */
function clientIdentity(values: Values, { log }: ComponentContext) {
  const certFile = values['proxy-client-cert-file']
  const keyFile = values['proxy-client-key-file']
  return certFile && keyFile
    ? fileIdentity({ certFile, keyFile, reload: 'watch', log, name: 'aggregator-proxy-cert' })
    : undefined
}

/** `/apis/<group>/<version>[/…]` of an aggregated API. */
function remoteOf(path: string, apis: RemoteApis): RemoteApi | undefined {
  const [, , group = '', version = ''] = path.split('/')
  return apis.find(group, version)
}

function tlsOptions(values: Values) {
  const wanted = values['tls-min-version']
  return {
    ...(wanted ? { minVersion: tlsVersion('kube-apiserver', wanted) } : {}),
    ...(values['tls-cipher-suites']?.length ? { cipherSuites: values['tls-cipher-suites'] } : {}),
  }
}

function audit(values: Values, { clock, log }: ComponentContext, metrics: Metrics) {
  const file = values['audit-policy-file']
  const path = values['audit-log-path']
  if (!file || !path) return {}
  const sink = createAuditLog({
    path,
    maxSizeMb: values['audit-log-maxsize'],
    maxBackups: values['audit-log-maxbackup'],
    log,
  })
  return { audit: new Audit({ policy: loadAuditPolicy(file), sink, clock, metrics }) }
}

/** --advertise-address, or the address listened on, or the first one of this machine. */
function advertised(values: Values): string {
  if (values['advertise-address']) return values['advertise-address']
  const bound = values['bind-address']
  if (bound !== '0.0.0.0' && bound !== '::') return bound
  const own = Object.values(networkInterfaces())
    .flatMap(list => list ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal)
  return own?.address ?? '127.0.0.1'
}

export const component: Component = {
  name: 'kube-apiserver',
  summary: 'kube-apiserver: the Kubernetes API over etcd, authenticated by client certificates',
  flags,
  logFormat: 'kubernetes',
  start,
}
