/** What a node needs to join by itself: a bootstrap token, and a kubeconfig that shows it (`kubeadm join`'s bootstrap-kubelet.conf). */
import { existsSync, readFileSync } from 'node:fs'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { stringify } from 'yaml'
import { parseCertificate } from '#x509/certificate.ts'
import { certificateBlocks } from '#x509/pem.ts'
import { addressOf, bundleFile, inDir, kubeconfigFile, type Layout, pairOf } from './layout.ts'

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

/** Below the state directory. */
export const bootstrapFile = 'bootstrap-kubelet.conf'

/** The plan's kubelet.conf has a certificate already; a node that joins writes its own, which names files of its `--cert-dir`. */
export async function prepareToJoin(layout: Layout, token: string): Promise<void> {
  const file = inDir(layout, bootstrapFile)
  await writeFile(`${file}.new`, bootstrapKubeconfig(layout, token), { mode: 0o600 })
  await rename(`${file}.new`, file)
  for (const { name } of layout.nodes) {
    const kubeconfig = kubeconfigFile(layout, 'kubelet.conf', name)
    const text = await readFile(kubeconfig, 'utf8').catch(() => '')
    if (!text.includes(clientFile(layout, name))) await rm(kubeconfig, { force: true })
  }
}

const clientFile = (layout: Layout, node: string) =>
  join(dirname(pairOf(layout, 'kubelet', node).certificate), 'kubelet-client-current.pem')

/** Has a node the certificates that it gets without a person's help? Those of an earlier run may have expired. */
export function hasJoined(layout: Layout, node: string, now: Date): boolean {
  const files = [
    clientFile(layout, node),
    ...(layout.bootstrap?.approveServing ? [pairOf(layout, 'kubelet', node).certificate] : []),
  ]
  return files.every(file => {
    if (!existsSync(file)) return false
    const [leaf] = certificateBlocks(readFileSync(file, 'latin1'))
    return leaf !== undefined && now < parseCertificate(leaf).notAfter
  })
}
