/** Kubeconfigs as kubeadm writes them: one cluster, one user with an embedded client certificate, one context. */
import { dirname, resolve } from 'node:path'
import { parseDocument } from 'yaml'
import { TrustplaneError } from '#errors.ts'

export interface KubeconfigContent {
  clusterName: string
  server: string
  user: string
  /** PEM. */
  certificateAuthority: string
  /** PEM, leaf first. */
  clientCertificate: string
  /** PEM. */
  clientKey: string
}

const base64 = (text: string) => Buffer.from(text).toString('base64')
/** A JSON string is a YAML string; plain ones stay bare, as kubeadm's are. */
const scalar = (text: string) => (/^[A-Za-z][\w.@:/-]*[\w]$/.test(text) ? text : JSON.stringify(text))

/** The keys in clientcmd's order; `preferences`, deprecated since Kubernetes 1.34, is left out. */
export function renderKubeconfig(content: KubeconfigContent): string {
  const user = scalar(content.user)
  const cluster = scalar(content.clusterName)
  const context = scalar(`${content.user}@${content.clusterName}`)
  return `apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: ${base64(content.certificateAuthority)}
    server: ${scalar(content.server)}
  name: ${cluster}
contexts:
- context:
    cluster: ${cluster}
    user: ${user}
  name: ${context}
current-context: ${context}
kind: Config
users:
- name: ${user}
  user:
    client-certificate-data: ${base64(content.clientCertificate)}
    client-key-data: ${base64(content.clientKey)}
`
}

/** What `kubeadm certs generate-csr` writes: a user with a key alone, a cluster without CA. Who signs adds both. */
export function renderPartialKubeconfig(
  content: Omit<KubeconfigContent, 'certificateAuthority' | 'clientCertificate'>,
): string {
  return renderKubeconfig({ ...content, certificateAuthority: '', clientCertificate: '' })
    .split('\n')
    .filter(line => !/^ +(certificate-authority|client-certificate)-data: $/.test(line))
    .join('\n')
}

interface KubeconfigDocument {
  'current-context'?: string
  contexts?: { name: string; context?: { cluster?: string; user?: string } }[]
  clusters?: { name: string; cluster?: Record<string, string> }[]
  users?: { name: string; user?: Record<string, string> }[]
}

export interface KubeconfigIdentity {
  user: string
  clusterName: string
  server: string
  /** PEM; '' when it has none. */
  clientCertificate: string
  clientKey: string
  /** Absolute: the kubeconfig names it where others have it embedded. */
  clientCertificateFile?: string
  certificateAuthority: string
  /** The user has no embedded certificate but a file, a token or a program (a kubelet that renews its own, for one). */
  elsewhere: boolean
}

/**
 * The embedded identity of a kubeconfig's current context.
 * @param file for messages
 * @throws TrustplaneError TP_INPUT_INVALID
 */
export function readKubeconfigIdentity(text: string, file: string): KubeconfigIdentity {
  const document = parseDocument(text)
  const [problem] = document.errors
  const invalid = (what: string) =>
    new TrustplaneError('TP_INPUT_INVALID', `${file} is no kubeconfig that can be used: ${what}`, {
      at: { file },
      fix: 'write it anew with `trustplane pki init --force`, or mend it',
    })
  if (problem) throw invalid(problem.message.split('\n')[0]!)
  const config = (document.toJS() ?? {}) as KubeconfigDocument
  const context = config.contexts?.find?.(({ name }) => name === config['current-context'])?.context
  const cluster = config.clusters?.find?.(({ name }) => name === context?.cluster)
  const user = config.users?.find?.(({ name }) => name === context?.user)
  if (!context || !cluster || !user) throw invalid('its current context names no cluster and user')
  const data = (fields: Record<string, string> | undefined, field: string) =>
    Buffer.from(fields?.[field] ?? '', 'base64').toString()
  return {
    user: user.name,
    clusterName: cluster.name,
    server: cluster.cluster?.server ?? '',
    clientCertificate: data(user.user, 'client-certificate-data'),
    clientKey: data(user.user, 'client-key-data'),
    certificateAuthority: data(cluster.cluster, 'certificate-authority-data'),
    ...(user.user?.['client-certificate']
      ? { clientCertificateFile: resolve(dirname(file), user.user['client-certificate']) }
      : {}),
    elsewhere:
      !user.user?.['client-certificate-data'] &&
      ['client-certificate', 'token', 'tokenFile', 'exec'].some(field => user.user?.[field] !== undefined),
  }
}

/** The same kubeconfig, whatever else is in it, with another server for its current context's cluster. */
export function withServer(text: string, server: string): string {
  return withFields(text, 'cluster', { server })
}

/** The same kubeconfig with another client certificate and key; its CA stays (kubernetes/kubeadm#2027). */
export function withClientCertificate(text: string, clientCertificate: string, clientKey: string): string {
  return withFields(text, 'user', {
    'client-certificate-data': base64(clientCertificate),
    'client-key-data': base64(clientKey),
  })
}

/** The same kubeconfig with another `certificate-authority-data`: what renewal leaves alone, and a CA rotation must change. */
export function withCertificateAuthority(text: string, certificateAuthority: string): string {
  return withFields(text, 'cluster', { 'certificate-authority-data': base64(certificateAuthority) })
}

function withFields(text: string, kind: 'cluster' | 'user', fields: Record<string, string>): string {
  const document = parseDocument(text)
  const config = document.toJS() as KubeconfigDocument
  const context = config.contexts?.find(({ name }) => name === config['current-context'])?.context
  const list = `${kind}s` as const
  const index = (config[list] as { name: string }[]).findIndex(({ name }) => name === context?.[kind])
  for (const [field, value] of Object.entries(fields)) document.setIn([list, index, kind, field], value)
  return document.toString({ lineWidth: 0, indentSeq: false })
}
