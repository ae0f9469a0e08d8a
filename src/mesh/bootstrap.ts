/** The objects that a cluster has from `kubeadm init`, and those that make the extension-apiserver known; applied with super-admin.conf. */
import { readFileSync } from 'node:fs'
import { bootstrapTokenSecret } from '#kubernetes/bootstrap-tokens.ts'
import type { Client } from '#kubernetes/client.ts'
import { addressOf, bundleFile, type Layout } from './layout.ts'

type Subject = { kind: 'Group' | 'User'; name: string }

const bind = (name: string, role: string, subject: Subject) => ({
  path: '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings',
  object: {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', ...subject }],
  },
})

const group = (name: string): Subject => ({ kind: 'Group', name })
const bootstrappers = group('system:bootstrappers:kubeadm:default-node-token')
const csrRole = 'system:certificates.k8s.io:certificatesigningrequests'

/** cmd/kubeadm/app/phases: bootstraptoken/node/tlsbootstrap.go, kubeconfig.go (KEP-4214); the last two are ours. */
const kubeadmObjects = [
  bind('kubeadm:cluster-admins', 'cluster-admin', group('kubeadm:cluster-admins')),
  bind('kubeadm:kubelet-bootstrap', 'system:node-bootstrapper', bootstrappers),
  bind('kubeadm:node-autoapprove-bootstrap', `${csrRole}:nodeclient`, bootstrappers),
  bind('kubeadm:node-autoapprove-certificate-rotation', `${csrRole}:selfnodeclient`, group('system:nodes')),
  // since apiserver-kubelet-client lost its O (kubernetes/kubeadm#3310)
  bind('kubeadm:apiserver-kubelet-client', 'system:kubelet-api-admin', {
    kind: 'User',
    name: 'kube-apiserver-kubelet-client',
  }),
  {
    path: '/apis/rbac.authorization.k8s.io/v1/clusterroles',
    object: {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      metadata: { name: 'trustplane:kubelet-metrics' },
      rules: [
        { apiGroups: [''], resources: ['nodes/metrics', 'nodes/healthz'], verbs: ['get'] },
        // metrics-server's system:metrics-server
        { apiGroups: [''], resources: ['nodes', 'pods'], verbs: ['get', 'list', 'watch'] },
      ],
    },
  },
  bind('trustplane:kubelet-metrics', 'trustplane:kubelet-metrics', group('system:monitoring')),
]

/** In other CA splits the apiserver calls kubelets under another name. */
const kubeletApiAdmins = ({ plan }: Layout) =>
  plan.cluster.kubeletApiAdmins
    .filter(name => name !== 'kube-apiserver-kubelet-client')
    .map(name => bind(`trustplane:kubelet-api-admin:${name}`, 'system:kubelet-api-admin', { kind: 'User', name }))

/** Where the extension-apiserver is: an ExternalName service, since there is no network of pods behind a cluster IP here. */
function extensionObjects(layout: Layout) {
  const file = bundleFile(layout, 'kube-apiserver.extension-ca-bundle')
  const caBundle = file ? readFileSync(file).toString('base64') : undefined
  const service = { namespace: 'kube-system', name: 'extension-apiserver', port: layout.ports['extension-apiserver'] }
  return [
    {
      path: '/api/v1/namespaces/kube-system/services',
      object: {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: service.name, namespace: service.namespace },
        spec: {
          type: 'ExternalName',
          externalName: addressOf(layout, 'extension-apiserver').host,
          ports: [{ name: 'https', port: service.port, protocol: 'TCP' }],
        },
      },
    },
    {
      path: '/apis/apiregistration.k8s.io/v1/apiservices',
      object: {
        apiVersion: 'apiregistration.k8s.io/v1',
        kind: 'APIService',
        metadata: { name: 'v1beta1.metrics.k8s.io' },
        spec: {
          group: 'metrics.k8s.io',
          version: 'v1beta1',
          groupPriorityMinimum: 100,
          versionPriority: 100,
          service,
          ...(caBundle ? { caBundle } : { insecureSkipTLSVerify: true }),
        },
      },
    },
    {
      path: '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations',
      object: {
        apiVersion: 'admissionregistration.k8s.io/v1',
        kind: 'ValidatingWebhookConfiguration',
        metadata: { name: 'trustplane' },
        webhooks: [
          {
            name: 'validate.trustplane.io',
            admissionReviewVersions: ['v1'],
            sideEffects: 'None',
            failurePolicy: 'Fail',
            timeoutSeconds: 5,
            clientConfig: { service: { ...service, path: '/validate' }, ...(caBundle ? { caBundle } : {}) },
            // only objects that ask for it: a broken webhook must not stop the rest
            objectSelector: { matchExpressions: [{ key: 'trustplane.io/deny', operator: 'Exists' }] },
            rules: [
              { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE', 'UPDATE'], resources: ['configmaps'] },
            ],
          },
        ],
      },
    },
  ]
}

/** `kubeadm init`'s bootstrap token, and leave for the controller-manager to approve serving certificates, which it has not by itself. */
function joiningObjects({ bootstrap }: Layout, now: Date) {
  if (!bootstrap?.token) return []
  const expiration = new Date(now.getTime() + 24 * 3_600_000)
  const name = 'trustplane:approve-kubelet-serving'
  const rules = [
    {
      apiGroups: ['certificates.k8s.io'],
      resources: ['signers'],
      resourceNames: ['kubernetes.io/kubelet-serving'],
      verbs: ['approve'],
    },
  ]
  const rbac = 'rbac.authorization.k8s.io'
  const approval = [
    {
      path: `/apis/${rbac}/v1/clusterroles`,
      object: { apiVersion: `${rbac}/v1`, kind: 'ClusterRole', metadata: { name }, rules },
    },
    {
      path: `/apis/${rbac}/v1/clusterrolebindings`,
      object: {
        apiVersion: `${rbac}/v1`,
        kind: 'ClusterRoleBinding',
        metadata: { name },
        roleRef: { apiGroup: rbac, kind: 'ClusterRole', name },
        subjects: [{ kind: 'ServiceAccount', namespace: 'kube-system', name: 'certificate-controller' }],
      },
    },
  ]
  return [
    {
      path: '/api/v1/namespaces/kube-system/secrets',
      object: { apiVersion: 'v1', kind: 'Secret', ...bootstrapTokenSecret(bootstrap.token, { expiration }) },
    },
    ...(bootstrap.approveServing ? approval : []),
  ]
}

/** Creates what is missing. What the last `up` left is kept, but for what names ports and bundles, which change. */
export async function applyBootstrap(client: Client, layout: Layout, now: Date, signal: AbortSignal): Promise<void> {
  const lasting = [...kubeadmObjects, ...kubeletApiAdmins(layout), ...joiningObjects(layout, now)]
  await Promise.all([
    ...lasting.map(entry => apply(client, entry, false, signal)),
    ...extensionObjects(layout).map(entry => apply(client, entry, true, signal)),
  ])
}

interface Entry {
  path: string
  object: { metadata: { name?: string } }
}

async function apply(client: Client, { path, object }: Entry, update: boolean, signal: AbortSignal): Promise<void> {
  const created = await client.raw({ method: 'POST', path, body: object, signal })
  const words = await created.text()
  if (created.status < 300 || (created.status === 409 && !update)) return
  if (created.status !== 409) throw new Error(`${path}/${object.metadata.name}: ${wordsOf(words)}`)
  const patched = await client.raw({
    method: 'PATCH',
    path: `${path}/${object.metadata.name}`,
    headers: { 'content-type': 'application/merge-patch+json' },
    body: JSON.stringify(object),
    signal,
  })
  const answer = await patched.text()
  if (patched.status >= 300) throw new Error(`${path}/${object.metadata.name}: ${wordsOf(answer)}`)
}

function wordsOf(body: string): string {
  try {
    return (JSON.parse(body) as { message?: string }).message ?? body
  } catch {
    return body
  }
}
