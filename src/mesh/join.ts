/** What a node needs to join by itself: a bootstrap token, and a kubeconfig that shows it (`kubeadm join`'s bootstrap-kubelet.conf). */
import { readFileSync } from 'node:fs'
import { stringify } from 'yaml'
import { addressOf, bundleFile, type Layout } from './layout.ts'

/** As kubeadm's discovery writes it (cmd/kubeadm/app/discovery): the cluster's address and CA, and the token. */
export function bootstrapKubeconfig(layout: Layout, token: string): string {
  const { host, port } = addressOf(layout, 'kube-apiserver')
  const ca = bundleFile(layout, 'kube-controller-manager.root-ca')
  const user = 'tls-bootstrap-token-user'
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name: 'kubernetes',
        cluster: {
          server: `https://${host}:${port}`,
          ...(ca ? { 'certificate-authority-data': readFileSync(ca).toString('base64') } : {}),
        },
      },
    ],
    users: [{ name: user, user: { token } }],
    contexts: [{ name: `${user}@kubernetes`, context: { cluster: 'kubernetes', user } }],
    'current-context': `${user}@kubernetes`,
  })
}
