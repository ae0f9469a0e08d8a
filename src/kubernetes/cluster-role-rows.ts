/** kube-apiserver's default ClusterRoles (plugin/pkg/auth/authorizer/rbac/bootstrappolicy/policy.go, 1.32 and newer). */
import { events, type PathRow, type RuleRow, read, readWrite, write } from './policy-rows.ts'

export interface ClusterRoleRow {
  name: string
  rules: readonly (RuleRow | PathRow)[]
  /** Made of the roles labelled `rbac.authorization.k8s.io/aggregate-to-<this>`. */
  aggregates?: string
  /** Part of that one. */
  partOf?: string
}

const rbac = 'rbac.authorization.k8s.io'
const authorization = 'authorization.k8s.io'
const authentication = 'authentication.k8s.io'
const certificates = 'certificates.k8s.io'
const coordination = 'coordination.k8s.io'
const csrs = 'certificatesigningrequests'
const reviews: readonly RuleRow[] = [
  ['create', authentication, 'tokenreviews'],
  ['create', authorization, 'subjectaccessreviews'],
]

export const clusterRoleRows: readonly ClusterRoleRow[] = [
  { name: 'cluster-admin', rules: [['*', '*', '*']] },
  {
    name: 'system:discovery',
    rules: [{ get: '/api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/' }],
  },
  {
    name: 'system:monitoring',
    rules: [
      { get: '/healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/* /statusz' },
      ['get', 'core', 'nodes/metrics'],
    ],
  },
  {
    name: 'system:basic-user',
    rules: [
      ['create', authorization, 'selfsubjectaccessreviews selfsubjectrulesreviews'],
      ['create', authentication, 'selfsubjectreviews'],
    ],
  },
  { name: 'system:public-info-viewer', rules: [{ get: '/healthz /livez /readyz /version /version/' }] },
  { name: 'admin', aggregates: 'admin', rules: [] },
  { name: 'edit', aggregates: 'edit', partOf: 'admin', rules: [] },
  { name: 'view', aggregates: 'view', partOf: 'edit', rules: [] },
  {
    name: 'system:aggregate-to-admin',
    partOf: 'admin',
    rules: [
      ['create', authorization, 'localsubjectaccessreviews'],
      [readWrite, rbac, 'rolebindings roles'],
    ],
  },
  {
    name: 'system:aggregate-to-edit',
    partOf: 'edit',
    rules: [
      [read, 'core', 'pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy'],
      ['impersonate', 'core', 'serviceaccounts'],
      [write, 'core', 'pods pods/attach pods/exec pods/portforward pods/proxy'],
      ['create', 'core', 'pods/eviction'],
      [
        write,
        'core',
        'configmaps persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets serviceaccounts services services/proxy',
      ],
      ['create', 'core', 'serviceaccounts/token'],
      [write, 'core events.k8s.io', 'events'],
      [
        write,
        'apps',
        'daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale statefulsets statefulsets/scale',
      ],
      [write, 'autoscaling', 'horizontalpodautoscalers'],
      [write, 'batch', 'cronjobs jobs'],
      [write, 'policy', 'poddisruptionbudgets'],
      [write, 'networking.k8s.io', 'ingresses networkpolicies'],
      [readWrite, coordination, 'leases'],
    ],
  },
  {
    name: 'system:aggregate-to-view',
    partOf: 'view',
    rules: [
      [
        read,
        'core',
        'configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods replicationcontrollers replicationcontrollers/scale serviceaccounts services services/status',
      ],
      [
        read,
        'core',
        'bindings limitranges namespaces/status pods/log pods/status replicationcontrollers/status resourcequotas resourcequotas/status',
      ],
      [read, 'core', 'namespaces'],
      [read, 'core events.k8s.io', 'events'],
      [read, 'discovery.k8s.io', 'endpointslices'],
      [
        read,
        'apps',
        'controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status replicasets replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status',
      ],
      [read, 'autoscaling', 'horizontalpodautoscalers horizontalpodautoscalers/status'],
      [read, 'batch', 'cronjobs cronjobs/status jobs jobs/status'],
      [read, 'policy', 'poddisruptionbudgets poddisruptionbudgets/status'],
      [read, 'networking.k8s.io', 'ingresses ingresses/status networkpolicies'],
    ],
  },
  { name: 'system:auth-delegator', rules: reviews },
  { name: 'system:kube-aggregator', rules: [[read, 'core', 'endpoints services']] },
  {
    name: 'system:node',
    rules: [
      ['create', authentication, 'tokenreviews'],
      ['create', authorization, 'localsubjectaccessreviews subjectaccessreviews'],
      [read, 'core', 'services'],
      ['create get list watch', 'core', 'nodes'],
      ['patch update', 'core', 'nodes/status'],
      ['patch update', 'core', 'nodes'],
      events,
      [read, 'core', 'pods'],
      ['create delete', 'core', 'pods'],
      ['patch update', 'core', 'pods/status'],
      ['create', 'core', 'pods/eviction'],
      [read, 'core', 'configmaps secrets'],
      ['get', 'core', 'persistentvolumeclaims persistentvolumes'],
      ['get', 'core', 'endpoints'],
      ['create get list watch', certificates, csrs],
      ['create delete get patch update', coordination, 'leases'],
      ['get', 'storage.k8s.io', 'volumeattachments'],
      ['create', 'core', 'serviceaccounts/token'],
      ['get patch update', 'core', 'persistentvolumeclaims/status'],
      [read, 'storage.k8s.io', 'csidrivers'],
      ['create delete get patch update', 'storage.k8s.io', 'csinodes'],
      [read, 'node.k8s.io', 'runtimeclasses'],
      ['get', 'core', 'serviceaccounts'],
    ],
  },
  {
    name: 'system:node-proxier',
    rules: [
      ['list watch', 'core', 'endpoints services'],
      [read, 'core', 'nodes'],
      events,
      ['list watch', 'networking.k8s.io', 'servicecidrs'],
      ['list watch', 'discovery.k8s.io', 'endpointslices'],
    ],
  },
  { name: 'system:node-bootstrapper', rules: [['create get list watch', certificates, csrs]] },
  {
    name: 'system:node-problem-detector',
    rules: [['get', 'core', 'nodes'], ['patch', 'core', 'nodes/status'], events],
  },
  {
    name: 'system:kubelet-api-admin',
    rules: [
      [read, 'core', 'nodes'],
      ['proxy', 'core', 'nodes'],
      ['*', 'core', 'nodes/log nodes/metrics nodes/proxy nodes/stats'],
      ['*', 'core', 'nodes/configz nodes/healthz nodes/pods'],
    ],
  },
  {
    name: 'system:kube-controller-manager',
    rules: [
      events,
      ['create', coordination, 'leases'],
      ['get update', coordination, 'leases', 'kube-controller-manager'],
      ['create', 'core', 'secrets serviceaccounts'],
      ['delete', 'core', 'secrets'],
      ['get', 'core', 'configmaps namespaces secrets serviceaccounts'],
      ['update', 'core', 'secrets serviceaccounts'],
      ...reviews,
      ['list watch', '*', '*'],
      ['create', 'core', 'serviceaccounts/token'],
    ],
  },
  { name: 'system:kube-dns', rules: [['list watch', 'core', 'endpoints services']] },
  {
    name: 'system:kube-scheduler',
    rules: [
      events,
      ['create', coordination, 'leases'],
      ['get list update watch', coordination, 'leases', 'kube-scheduler'],
      [readWrite, coordination, 'leasecandidates'],
      [read, 'core', 'nodes'],
      ['delete get list watch', 'core', 'pods'],
      ['create', 'core', 'bindings pods/binding'],
      ['patch update', 'core', 'pods/status'],
      [read, 'core', 'replicationcontrollers services'],
      [read, 'apps extensions', 'replicasets'],
      [read, 'apps', 'statefulsets'],
      [read, 'policy', 'poddisruptionbudgets'],
      [read, 'core', 'persistentvolumeclaims persistentvolumes'],
      ...reviews,
      [read, 'storage.k8s.io', 'csinodes'],
      [read, 'storage.k8s.io', 'volumeattachments'],
      [read, 'core', 'namespaces'],
      [read, 'storage.k8s.io', 'csidrivers'],
      [read, 'storage.k8s.io', 'csistoragecapacities'],
      ['update', 'core', 'pods/finalizers'],
    ],
  },
  {
    name: 'system:volume-scheduler',
    rules: [
      ['get list patch update watch', 'core', 'persistentvolumes'],
      [read, 'storage.k8s.io', 'storageclasses'],
      ['get list patch update watch', 'core', 'persistentvolumeclaims'],
    ],
  },
  {
    name: 'system:service-account-issuer-discovery',
    rules: [
      {
        get: '/.well-known/openid-configuration /.well-known/openid-configuration/ /openid/v1/jwks /openid/v1/jwks/',
      },
    ],
  },
  ...['nodeclient', 'selfnodeclient'].map(part => ({
    name: `system:certificates.k8s.io:${csrs}:${part}`,
    rules: [['create', certificates, `${csrs}/${part}`] as const],
  })),
  ...['kube-apiserver-client', 'kube-apiserver-client-kubelet', 'kubelet-serving', 'legacy-unknown'].map(signer => ({
    name: `system:certificates.k8s.io:${signer}-approver`,
    rules: [['approve', certificates, 'signers', `kubernetes.io/${signer}`] as const],
  })),
]
