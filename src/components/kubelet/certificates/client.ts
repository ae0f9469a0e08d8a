/** The kubelet's client of kube-apiserver: with the certificate of its kubeconfig, or one that it asks for and renews (TLS bootstrap). */
import { existsSync, readFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { stringify } from 'yaml'
import { after } from '#clock.ts'
import { messageOf, TrustplaneError } from '#errors.ts'
import type { Client } from '#kubernetes/client.ts'
import { bundleOf, createClient, identityOf } from '#kubernetes/from-kubeconfig.ts'
import { type Kubeconfig, loadKubeconfig } from '#kubernetes/kubeconfig.ts'
import type { Metrics } from '#kubernetes/metrics.ts'
import type { Log } from '#log.ts'
import { createDialer } from '#tls/dial.ts'
import type { Dialer } from '#tls/types.ts'
import type { ComponentContext } from '../../component.ts'
import { put } from '../../serving-identity.ts'
import type { Settings } from '../configuration.ts'
import { CertificateManager } from './manager.ts'
import { CertificateStore } from './store.ts'

const names = {
  component: 'kubelet',
  from: 'kubelet',
  to: 'kube-apiserver',
  // client-go has one HTTP/2 connection for everything; a handshake costs more than waiting for one's turn
  requestsAtOnce: 1,
}

export interface KubeletClient {
  client: Client
  certificates: CertificateManager | undefined
  /** Resolves when the kubelet can do nothing more with the certificate that it has: it ends, and whoever starts it again bootstraps it. */
  failed: Promise<Error>
  close(): Promise<void>
}

const never = new Promise<Error>(() => {})

/** @throws TrustplaneError or Error in the original's words */
export async function kubeletClient(
  settings: Settings,
  context: ComponentContext,
  metrics: Metrics,
): Promise<KubeletClient> {
  const { log } = context
  const bootstrap = settings.bootstrapKubeconfig
  const problem = bootstrap === undefined ? undefined : unusable(settings.kubeconfig, context, log)
  const given = problem === undefined ? loadKubeconfig(settings.kubeconfig ?? '') : undefined
  if (given && !(settings.rotateCertificates && given.clientCertificate)) {
    const client = createClient({ ...context, ...names, kubeconfig: given, metrics })
    return { client, certificates: undefined, failed: never, close: () => client.close() }
  }
  const store = new CertificateStore(settings.certDir, 'kubelet-client')
  const bootstrapConfig = given ? undefined : loadBootstrap(bootstrap!)
  const kubeconfig = given ?? bootstrapConfig!
  if (bootstrapConfig) await writeKubeconfig(settings, bootstrapConfig, store)
  const bootstrapClient =
    bootstrapConfig && createClient({ ...context, ...names, kubeconfig: bootstrapConfig, metrics })
  if (bootstrapClient) log.info('Client rotation is on, will bootstrap in background', {}, 2)

  const initial = bootstrapConfig ? undefined : identityOf(kubeconfig, log)
  const certificates = new CertificateManager({
    signerName: 'kubernetes.io/kube-apiserver-client-kubelet',
    usage: 'client auth',
    template: () => ({ commonName: `system:node:${settings.nodeName}`, organizations: ['system:nodes'] }),
    store,
    ...(initial ? { initial: initial.current() } : {}),
    client: current => (bootstrapClient && !current ? bootstrapClient : client),
    rotate: settings.rotateCertificates,
    missing: 'no client certificate available for the kubelet',
    errorsMetric: 'kubelet_certificate_manager_client_expiration_renew_errors',
    clock: context.clock,
    log,
    metrics,
  })
  initial?.close()
  const roots = bundleOf(kubeconfig, log)
  const dialer = waiting(
    certificates,
    createDialer({
      ...context,
      ...names,
      identity: certificates,
      roots,
      ...(kubeconfig.tlsServerName ? { servername: kubeconfig.tlsServerName } : {}),
      ...(kubeconfig.insecureSkipTlsVerify ? { insecureSkipVerify: true } : {}),
    }),
  )
  const client = createClient({ ...context, ...names, dialer, server: kubeconfig.server, metrics })
  certificates.onChange(() => {
    log.info('Certificate rotation detected, shutting down client connections to start using new credentials')
    // where the original cuts them off, and what was on its way with them
    client.renewConnections()
  })
  void certificates.available.then(() => bootstrapClient?.renewConnections())
  certificates.start()
  const watch = watchExpiry(certificates, context)
  return {
    client,
    certificates,
    failed: watch.failed,
    async close() {
      watch.stop()
      await certificates.stop()
      await client.close()
      await dialer.close()
      await bootstrapClient?.close()
      roots.close()
    },
  }
}

// UpdateTransport's exitAfter and period
const exitAfterMs = 5 * 60_000
const periodMs = 10_000

/** pkg/kubelet/certificate/transport.go: without a good certificate for five minutes it ends, if that is not kube-apiserver's fault. */
function watchExpiry(certificates: CertificateManager, { clock, log }: ComponentContext) {
  const { promise: failed, resolve } = Promise.withResolvers<Error>()
  let lastGood = clock.now().getTime()
  let cancel = () => {}
  const look = () => {
    const now = clock.now().getTime()
    if (certificates.leaf && certificates.ttlSeconds() > 0) lastGood = now
    if (now > lastGood + exitAfterMs) {
      const since = 'It has been 5m0s since a valid client cert was found'
      if (certificates.serverHealthy) return resolve(new Error(`${since} and the server is responsive, exiting.`))
      log.error(
        `${since}, but the server is not responsive. A restart may be necessary to retrieve new initial credentials.`,
      )
    }
    cancel = after(clock, periodMs, look)
  }
  cancel = after(clock, periodMs, look)
  return { failed, stop: () => cancel() }
}

/** Nobody is dialled before there is a certificate to show. */
const waiting = (certificates: CertificateManager, dialer: Dialer): Dialer => ({
  connect: async target => {
    await certificates.available
    return dialer.connect(target)
  },
  get agent() {
    return dialer.agent
  },
  closeConnections: () => dialer.closeConnections(),
  retireConnections: () => dialer.retireConnections(),
  close: () => dialer.close(),
})

/** isClientConfigStillValid: why the kubeconfig cannot be used; undefined when it can. */
function unusable(path: string | undefined, { clock }: ComponentContext, log: Log): string | undefined {
  if (!path || !existsSync(path)) return 'missing'
  try {
    const identity = identityOf(loadKubeconfig(path), log)
    if (!identity) return 'no client certificate'
    const { chain } = identity.current()
    identity.close()
    const late = chain.find(({ notAfter }) => notAfter < clock.now())
    if (!late) return undefined
    const message = `part of the existing bootstrap client certificate in ${path} is expired: ${goTime(late.notAfter)}`
    log.error(message)
    return message
  } catch (error) {
    log.error('Unable to read existing bootstrap client config', messageOf(error), { path })
    return messageOf(error)
  }
}

/** time.Time's String. */
const goTime = (date: Date) => `${date.toISOString().slice(0, 19).replace('T', ' ')} +0000 UTC`

function loadBootstrap(path: string): Kubeconfig {
  try {
    return loadKubeconfig(path)
  } catch (cause) {
    const known = cause instanceof TrustplaneError ? cause : undefined
    throw new TrustplaneError(
      known?.code ?? 'TP_INPUT_INVALID',
      `failed to run Kubelet: unable to load bootstrap kubeconfig: ${messageOf(cause)}`,
      { fix: known?.fix ?? 'give --bootstrap-kubeconfig a kubeconfig with a bootstrap token', cause },
    )
  }
}

/** bootstrap.writeKubeconfigFromBootstrapping: where the certificate will be, beside what the bootstrap kubeconfig says of the cluster. */
async function writeKubeconfig({ kubeconfig: path }: Settings, bootstrap: Kubeconfig, store: CertificateStore) {
  if (!path) return
  const { certificateAuthority: ca } = bootstrap
  const caPem = ca === undefined ? '' : 'data' in ca ? ca.data : readFileSync(ca.file, 'utf8')
  const pem = resolve(store.currentPath)
  const text = stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name: 'default-cluster',
        cluster: {
          ...(ca ? { 'certificate-authority-data': Buffer.from(caPem).toString('base64') } : {}),
          server: bootstrap.server,
        },
      },
    ],
    contexts: [
      { name: 'default-context', context: { cluster: 'default-cluster', user: 'default-auth', namespace: 'default' } },
    ],
    'current-context': 'default-context',
    users: [{ name: 'default-auth', user: { 'client-certificate': pem, 'client-key': pem } }],
  })
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  await put(path, text, 0o600)
}
