/**
 * The roles of kube-controller-manager's controllers, each for the service account of that name in kube-system
 * (bootstrappolicy/controller_policy.go). Those of controllers that no stand-in has are left out.
 */
import { events, type RuleRow, read } from './policy-rows.ts'

const certificates = 'certificates.k8s.io'
const csrs = 'certificatesigningrequests'
const signers = ['kube-apiserver-client', 'kube-apiserver-client-kubelet', 'kubelet-serving', 'legacy-unknown']

/** By controller: `deployment-controller` is ClusterRole and binding `system:controller:deployment-controller`. */
export const controllerRoleRows: Record<string, readonly RuleRow[]> = {
  'certificate-controller': [
    ['delete get list watch', certificates, csrs],
    ['update', certificates, `${csrs}/approval ${csrs}/status`],
    ['approve', certificates, 'signers', 'kubernetes.io/kube-apiserver-client-kubelet'],
    ['sign', certificates, 'signers', signers.map(signer => `kubernetes.io/${signer}`).join(' ')],
    ['create', 'authorization.k8s.io', 'subjectaccessreviews'],
    events,
  ],
  'clusterrole-aggregation-controller': [
    ['escalate get list patch update watch', 'rbac.authorization.k8s.io', 'clusterroles'],
  ],
  'daemon-set-controller': [
    [read, 'apps extensions', 'daemonsets'],
    ['update', 'apps extensions', 'daemonsets/status'],
    ['update', 'apps extensions', 'daemonsets/finalizers'],
    ['list watch', 'core', 'nodes'],
    ['create delete list patch watch', 'core', 'pods'],
    ['create', 'core', 'pods/binding'],
    ['create delete get list patch update watch', 'apps', 'controllerrevisions'],
    events,
  ],
  'deployment-controller': [
    ['get list update watch', 'apps extensions', 'deployments'],
    ['update', 'apps extensions', 'deployments/status'],
    ['update', 'apps extensions', 'deployments/finalizers'],
    ['create delete get list patch update watch', 'apps extensions', 'replicasets'],
    ['get list update watch', 'core', 'pods'],
    events,
  ],
  'endpoint-controller': [
    [read, 'core', 'pods services'],
    ['create delete get list update', 'core', 'endpoints'],
    ['create', 'core', 'endpoints/restricted'],
    events,
  ],
  'endpointslice-controller': [
    [read, 'core', 'nodes pods services'],
    ['update', 'core', 'services/finalizers'],
    ['create delete get list update', 'discovery.k8s.io', 'endpointslices'],
    events,
  ],
  'generic-garbage-collector': [['delete get list patch update watch', '*', '*'], events],
  'job-controller': [
    ['get list patch update watch', 'batch', 'jobs'],
    ['update', 'batch', 'jobs/status'],
    ['update', 'batch', 'jobs/finalizers'],
    ['create delete list patch watch', 'core', 'pods'],
    events,
  ],
  'namespace-controller': [
    ['delete get list watch', 'core', 'namespaces'],
    ['update', 'core', 'namespaces/finalize namespaces/status'],
    ['delete deletecollection get list', '*', '*'],
  ],
  'node-controller': [
    ['delete get list patch update', 'core', 'nodes'],
    ['patch update', 'core', 'nodes/status'],
    ['patch update', 'core', 'pods/status'],
    ['delete list', 'core', 'pods'],
    events,
    ['get', 'core', 'pods'],
  ],
  'pod-garbage-collector': [
    ['delete list watch', 'core', 'pods'],
    ['get list', 'core', 'nodes'],
    ['patch', 'core', 'pods/status'],
  ],
  'replicaset-controller': [
    ['get list update watch', 'apps extensions', 'replicasets'],
    ['update', 'apps extensions', 'replicasets/status'],
    ['update', 'apps extensions', 'replicasets/finalizers'],
    ['create delete list patch watch', 'core', 'pods'],
    events,
  ],
  'resourcequota-controller': [['list watch', '*', '*'], ['update', 'core', 'resourcequotas/status'], events],
  'root-ca-cert-publisher': [['create update', 'core', 'configmaps'], events],
  'service-account-controller': [['create', 'core', 'serviceaccounts'], events],
  'statefulset-controller': [
    ['list watch', 'core', 'pods'],
    [read, 'apps', 'statefulsets'],
    ['update', 'apps', 'statefulsets/status'],
    ['update', 'apps', 'statefulsets/finalizers'],
    ['create delete get patch update', 'core', 'pods'],
    ['create delete get list patch update watch', 'apps', 'controllerrevisions'],
    ['create delete get update', 'core', 'persistentvolumeclaims'],
    events,
  ],
  'ttl-controller': [['list patch update watch', 'core', 'nodes'], events],
}

/** Roles in a namespace, and who has them. */
export const namespacedRoleRows: readonly {
  namespace: 'kube-system' | 'kube-public'
  name: string
  rules: readonly RuleRow[]
  /** The RoleBinding's name, when it is not the role's. */
  binding?: string
  users?: string
  serviceAccounts?: string
}[] = [
  {
    namespace: 'kube-system',
    name: 'extension-apiserver-authentication-reader',
    binding: 'system::extension-apiserver-authentication-reader',
    rules: [[read, 'core', 'configmaps', 'extension-apiserver-authentication']],
    users: 'system:kube-controller-manager system:kube-scheduler',
  },
  ...['kube-controller-manager', 'kube-scheduler'].map(component => ({
    namespace: 'kube-system' as const,
    name: `system::leader-locking-${component}`,
    rules: [
      ['create get list update watch', 'coordination.k8s.io', 'leases'] as const,
      ['create get list update watch', 'coordination.k8s.io', 'leasecandidates'] as const,
    ],
    users: `system:${component}`,
    serviceAccounts: component,
  })),
  {
    namespace: 'kube-system',
    name: 'system:controller:bootstrap-signer',
    rules: [[read, 'core', 'secrets']],
    serviceAccounts: 'bootstrap-signer',
  },
  {
    namespace: 'kube-system',
    name: 'system:controller:token-cleaner',
    rules: [['delete get list watch', 'core', 'secrets'], events],
    serviceAccounts: 'token-cleaner',
  },
  {
    namespace: 'kube-public',
    name: 'system:controller:bootstrap-signer',
    rules: [[read, 'core', 'configmaps'], ['update', 'core', 'configmaps', 'cluster-info'], events],
    serviceAccounts: 'bootstrap-signer',
  },
]
