/** What the kubelet serves: the files it was given, a certificate from kube-apiserver (serverTLSBootstrap), or a pair that it makes itself. */
import type { Client } from '#kubernetes/client.ts'
import type { Metrics } from '#kubernetes/metrics.ts'
import type { IdentitySource } from '#tls/types.ts'
import type { ComponentContext } from '../../component.ts'
import { servingIdentity } from '../../serving-identity.ts'
import type { Settings } from '../configuration.ts'
import { CertificateManager } from './manager.ts'
import { CertificateStore } from './store.ts'

export async function servingIdentityOf(
  settings: Settings,
  { context, metrics, client }: { context: ComponentContext; metrics: Metrics; client: Client },
): Promise<IdentitySource> {
  const { clock, log } = context
  const { nodeName, nodeIp, certDir, tlsCertFile, tlsPrivateKeyFile } = settings
  if (!settings.serverTlsBootstrap || tlsCertFile) {
    return servingIdentity({
      component: 'kubelet',
      certFile: tlsCertFile,
      keyFile: tlsPrivateKeyFile,
      certDir,
      pairName: 'kubelet',
      host: nodeName,
      clock,
      log,
    })
  }
  const manager = new CertificateManager({
    signerName: 'kubernetes.io/kubelet-serving',
    usage: 'server auth',
    // nobody approves these by themselves: whoever does must know that the names are this node's
    template: () => ({
      commonName: `system:node:${nodeName}`,
      organizations: ['system:nodes'],
      dnsNames: [nodeName],
      ipAddresses: [nodeIp],
    }),
    store: new CertificateStore(certDir, 'kubelet-server'),
    client: () => client,
    rotate: true,
    missing: 'no serving certificate available for the kubelet',
    errorsMetric: 'kubelet_server_expiration_renew_errors',
    clock,
    log,
    metrics,
  })
  manager.start()
  return manager
}
