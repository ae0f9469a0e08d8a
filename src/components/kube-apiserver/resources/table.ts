/** Every resource that the stand-in serves. Order inside a group is that of discovery. */
import { columnsOf } from '../columns/index.ts'
import { text } from '../columns/values.ts'
import { customResourceDefinitions } from '../custom-resources/strategy.ts'
import { coreEventFields, eventsV1Conversion } from './events.ts'
import { apps } from './strategies/apps.ts'
import { certificateSigningRequests } from './strategies/certificates.ts'
import { configMaps, endpoints, namespaces, nodes, secrets, serviceAccounts, services } from './strategies/core.ts'
import { pods } from './strategies/pods.ts'
import { rbac } from './strategies/rbac.ts'
import { apiServices, endpointSlices, leases, webhookConfigurations } from './strategies/small.ts'
import type { ResourceDefinition, Strategy, Subresource, Verb } from './types.ts'

const all: readonly Verb[] = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch']
const readWrite = ['get', 'patch', 'update'] as const

interface Row {
  kind: string
  resource: string
  cluster?: true
  short?: readonly string[]
  categories?: readonly string[]
  verbs?: readonly Verb[]
  sub?: readonly Subresource[]
  registry?: string
  strategy?: Strategy
  fields?: ResourceDefinition['fields']
  conversion?: ResourceDefinition['conversion']
  ttlSeconds?: number
  virtual?: true
}

const define =
  (group: string, version: string) =>
  (row: Row): ResourceDefinition => ({
    group,
    version,
    resource: row.resource,
    singular: row.kind.toLowerCase(),
    kind: row.kind,
    namespaced: !row.cluster,
    shortNames: row.short ?? [],
    categories: row.categories ?? [],
    verbs: row.verbs ?? all,
    subresources: row.sub ?? [],
    registry: `/registry/${row.registry ?? row.resource}`,
    columns: columnsOf(group, row.resource),
    strategy: row.strategy ?? {},
    fields: row.fields ?? {},
    ...(row.conversion ? { conversion: row.conversion } : {}),
    ...(row.ttlSeconds ? { ttlSeconds: row.ttlSeconds } : {}),
    ...(row.virtual ? { virtual: row.virtual } : {}),
  })

const status = (kind: string): Subresource => ({ name: 'status', verbs: readWrite, kind })
const scale: Subresource = { name: 'scale', verbs: readWrite, kind: 'Scale', group: 'autoscaling', version: 'v1' }
/** Answered at once, never stored. */
const review = (kind: string, resource: string, namespaced = false): Row => ({
  kind,
  resource,
  ...(namespaced ? {} : { cluster: true }),
  verbs: ['create'],
  virtual: true,
})

const coreRows: readonly Row[] = [
  { kind: 'Binding', resource: 'bindings', verbs: ['create'], virtual: true },
  {
    kind: 'ComponentStatus',
    resource: 'componentstatuses',
    cluster: true,
    short: ['cs'],
    verbs: ['get', 'list'],
    virtual: true,
  },
  { kind: 'ConfigMap', resource: 'configmaps', short: ['cm'], strategy: configMaps },
  { kind: 'Endpoints', resource: 'endpoints', short: ['ep'], registry: 'services/endpoints', strategy: endpoints },
  {
    kind: 'Event',
    resource: 'events',
    short: ['ev'],
    strategy: { name: 'subdomain' },
    fields: coreEventFields,
    ttlSeconds: 3600,
  },
  {
    kind: 'Namespace',
    resource: 'namespaces',
    cluster: true,
    short: ['ns'],
    verbs: ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch'],
    sub: [{ name: 'finalize', verbs: ['update'], kind: 'Namespace' }, status('Namespace')],
    strategy: namespaces,
    fields: { 'status.phase': object => text(object, 'status', 'phase') },
  },
  {
    kind: 'Node',
    resource: 'nodes',
    cluster: true,
    short: ['no'],
    sub: [
      { name: 'proxy', verbs: ['create', 'delete', 'get', 'patch', 'update'], kind: 'NodeProxyOptions' },
      status('Node'),
    ],
    registry: 'minions',
    strategy: nodes,
    fields: {
      'spec.unschedulable': object => String((object.spec as { unschedulable?: boolean })?.unschedulable === true),
    },
  },
  {
    kind: 'Pod',
    resource: 'pods',
    short: ['po'],
    categories: ['all'],
    sub: [
      { name: 'attach', verbs: ['create', 'get'], kind: 'PodAttachOptions' },
      { name: 'binding', verbs: ['create'], kind: 'Binding' },
      { name: 'eviction', verbs: ['create'], kind: 'Eviction', group: 'policy', version: 'v1' },
      { name: 'exec', verbs: ['create', 'get'], kind: 'PodExecOptions' },
      { name: 'log', verbs: ['get'], kind: 'Pod' },
      { name: 'portforward', verbs: ['create', 'get'], kind: 'PodPortForwardOptions' },
      status('Pod'),
    ],
    strategy: pods,
    fields: {
      'spec.nodeName': object => text(object, 'spec', 'nodeName'),
      'spec.restartPolicy': object => text(object, 'spec', 'restartPolicy'),
      'spec.schedulerName': object => text(object, 'spec', 'schedulerName'),
      'spec.serviceAccountName': object => text(object, 'spec', 'serviceAccountName'),
      'spec.hostNetwork': object => String((object.spec as { hostNetwork?: boolean })?.hostNetwork === true),
      'status.phase': object => text(object, 'status', 'phase'),
      'status.podIP': object => text(object, 'status', 'podIP'),
      'status.nominatedNodeName': object => text(object, 'status', 'nominatedNodeName'),
    },
  },
  { kind: 'Secret', resource: 'secrets', strategy: secrets, fields: { type: object => text(object, 'type') } },
  {
    kind: 'ServiceAccount',
    resource: 'serviceaccounts',
    short: ['sa'],
    sub: [{ name: 'token', verbs: ['create'], kind: 'TokenRequest', group: 'authentication.k8s.io', version: 'v1' }],
    strategy: serviceAccounts,
  },
  {
    kind: 'Service',
    resource: 'services',
    short: ['svc'],
    categories: ['all'],
    sub: [status('Service')],
    registry: 'services/specs',
    strategy: services,
    fields: {
      'spec.clusterIP': object => text(object, 'spec', 'clusterIP'),
      'spec.type': object => text(object, 'spec', 'type'),
    },
  },
]

const rows: ResourceDefinition[] = [
  ...coreRows.map(define('', 'v1')),
  ...(
    [
      {
        kind: 'MutatingWebhookConfiguration',
        resource: 'mutatingwebhookconfigurations',
        cluster: true,
        categories: ['api-extensions'],
        strategy: webhookConfigurations,
      },
      {
        kind: 'ValidatingWebhookConfiguration',
        resource: 'validatingwebhookconfigurations',
        cluster: true,
        categories: ['api-extensions'],
        strategy: webhookConfigurations,
      },
    ] satisfies Row[]
  ).map(define('admissionregistration.k8s.io', 'v1')),
  define(
    'apiextensions.k8s.io',
    'v1',
  )({
    kind: 'CustomResourceDefinition',
    resource: 'customresourcedefinitions',
    cluster: true,
    short: ['crd', 'crds'],
    categories: ['api-extensions'],
    sub: [status('CustomResourceDefinition')],
    registry: 'apiextensions.k8s.io/customresourcedefinitions',
    strategy: customResourceDefinitions,
  }),
  define(
    'apiregistration.k8s.io',
    'v1',
  )({
    kind: 'APIService',
    resource: 'apiservices',
    cluster: true,
    categories: ['api-extensions'],
    sub: [status('APIService')],
    registry: 'apiregistration.k8s.io/apiservices',
    strategy: apiServices,
  }),
  ...(
    [
      { kind: 'ControllerRevision', resource: 'controllerrevisions' },
      {
        kind: 'DaemonSet',
        resource: 'daemonsets',
        short: ['ds'],
        categories: ['all'],
        sub: [status('DaemonSet')],
        strategy: apps.daemonSets,
      },
      {
        kind: 'Deployment',
        resource: 'deployments',
        short: ['deploy'],
        categories: ['all'],
        sub: [scale, status('Deployment')],
        strategy: apps.deployments,
      },
      {
        kind: 'ReplicaSet',
        resource: 'replicasets',
        short: ['rs'],
        categories: ['all'],
        sub: [scale, status('ReplicaSet')],
        strategy: apps.replicaSets,
      },
      {
        kind: 'StatefulSet',
        resource: 'statefulsets',
        short: ['sts'],
        categories: ['all'],
        sub: [scale, status('StatefulSet')],
        strategy: apps.statefulSets,
      },
    ] satisfies Row[]
  ).map(define('apps', 'v1')),
  ...[review('SelfSubjectReview', 'selfsubjectreviews'), review('TokenReview', 'tokenreviews')].map(
    define('authentication.k8s.io', 'v1'),
  ),
  ...[
    review('LocalSubjectAccessReview', 'localsubjectaccessreviews', true),
    review('SelfSubjectAccessReview', 'selfsubjectaccessreviews'),
    review('SelfSubjectRulesReview', 'selfsubjectrulesreviews'),
    review('SubjectAccessReview', 'subjectaccessreviews'),
  ].map(define('authorization.k8s.io', 'v1')),
  define(
    'certificates.k8s.io',
    'v1',
  )({
    kind: 'CertificateSigningRequest',
    resource: 'certificatesigningrequests',
    cluster: true,
    short: ['csr'],
    sub: [
      { name: 'approval', verbs: readWrite, kind: 'CertificateSigningRequest' },
      status('CertificateSigningRequest'),
    ],
    strategy: certificateSigningRequests,
    fields: { 'spec.signerName': object => text(object, 'spec', 'signerName') },
  }),
  define('coordination.k8s.io', 'v1')({ kind: 'Lease', resource: 'leases', strategy: leases }),
  define('discovery.k8s.io', 'v1')({ kind: 'EndpointSlice', resource: 'endpointslices', strategy: endpointSlices }),
  define(
    'events.k8s.io',
    'v1',
  )({ kind: 'Event', resource: 'events', short: ['ev'], conversion: eventsV1Conversion, ttlSeconds: 3600 }),
  ...(
    [
      { kind: 'ClusterRoleBinding', resource: 'clusterrolebindings', cluster: true, strategy: rbac.bindings },
      { kind: 'ClusterRole', resource: 'clusterroles', cluster: true, strategy: rbac.roles },
      { kind: 'RoleBinding', resource: 'rolebindings', strategy: rbac.bindings },
      { kind: 'Role', resource: 'roles', strategy: rbac.roles },
    ] satisfies Row[]
  ).map(define('rbac.authorization.k8s.io', 'v1')),
]

const key = (group: string, version: string, resource: string) => `${group}/${version}/${resource}`
const byPath = new Map(rows.map(row => [key(row.group, row.version, row.resource), row]))

export const resourceTable: readonly ResourceDefinition[] = rows

export const findResource = (group: string, version: string, resource: string) =>
  byPath.get(key(group, version, resource))

/** Of a row that is surely there. */
export function resourceOf(group: string, resource: string): ResourceDefinition {
  const row = rows.find(r => r.group === group && r.resource === resource)
  if (!row) throw new Error(`no resource ${resource}.${group}`)
  return row
}

/** In the order of group priority, as discovery shows them; the first version of a group is its preferred one. */
export const groupVersions: readonly { group: string; version: string }[] = [
  ...new Map(rows.map(({ group, version }) => [`${group}/${version}`, { group, version }])).values(),
]
