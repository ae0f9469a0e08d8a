/** The resources that trustplane's own clients speak of: where each is in the API and what it is called. */
import type {
  APIService,
  CertificateSigningRequest,
  ClusterRole,
  ClusterRoleBinding,
  ConfigMap,
  Deployment,
  EndpointSlice,
  Endpoints,
  Event,
  KubeObject,
  Lease,
  Namespace,
  Node,
  Pod,
  ReplicaSet,
  Role,
  RoleBinding,
  Secret,
  Service,
  ServiceAccount,
  SubjectAccessReview,
  TokenReview,
} from './types.ts'

export interface GroupResource {
  group: string
  resource: string
}

/** `T` is the type of its objects. */
export interface Resource<T extends KubeObject = KubeObject> extends GroupResource {
  /** '' is the core group. */
  group: string
  version: string
  /** Plural, lower case: what is in the path. */
  resource: string
  kind: string
  namespaced: boolean
  /** Never set: it carries `T`. */
  readonly object?: T
}

const namespaced = <T extends KubeObject>(group: string, version: string, resource: string, kind: string) =>
  ({ group, version, resource, kind, namespaced: true }) as Resource<T>
const clusterWide = <T extends KubeObject>(group: string, version: string, resource: string, kind: string) =>
  ({ group, version, resource, kind, namespaced: false }) as Resource<T>

const rbac = 'rbac.authorization.k8s.io'

export const resources = {
  namespaces: clusterWide<Namespace>('', 'v1', 'namespaces', 'Namespace'),
  nodes: clusterWide<Node>('', 'v1', 'nodes', 'Node'),
  pods: namespaced<Pod>('', 'v1', 'pods', 'Pod'),
  services: namespaced<Service>('', 'v1', 'services', 'Service'),
  endpoints: namespaced<Endpoints>('', 'v1', 'endpoints', 'Endpoints'),
  secrets: namespaced<Secret>('', 'v1', 'secrets', 'Secret'),
  configmaps: namespaced<ConfigMap>('', 'v1', 'configmaps', 'ConfigMap'),
  serviceaccounts: namespaced<ServiceAccount>('', 'v1', 'serviceaccounts', 'ServiceAccount'),
  events: namespaced<Event>('', 'v1', 'events', 'Event'),
  deployments: namespaced<Deployment>('apps', 'v1', 'deployments', 'Deployment'),
  replicasets: namespaced<ReplicaSet>('apps', 'v1', 'replicasets', 'ReplicaSet'),
  leases: namespaced<Lease>('coordination.k8s.io', 'v1', 'leases', 'Lease'),
  endpointslices: namespaced<EndpointSlice>('discovery.k8s.io', 'v1', 'endpointslices', 'EndpointSlice'),
  csrs: clusterWide<CertificateSigningRequest>(
    'certificates.k8s.io',
    'v1',
    'certificatesigningrequests',
    'CertificateSigningRequest',
  ),
  roles: namespaced<Role>(rbac, 'v1', 'roles', 'Role'),
  rolebindings: namespaced<RoleBinding>(rbac, 'v1', 'rolebindings', 'RoleBinding'),
  clusterroles: clusterWide<ClusterRole>(rbac, 'v1', 'clusterroles', 'ClusterRole'),
  clusterrolebindings: clusterWide<ClusterRoleBinding>(rbac, 'v1', 'clusterrolebindings', 'ClusterRoleBinding'),
  apiservices: clusterWide<APIService>('apiregistration.k8s.io', 'v1', 'apiservices', 'APIService'),
  tokenreviews: clusterWide<TokenReview>('authentication.k8s.io', 'v1', 'tokenreviews', 'TokenReview'),
  subjectaccessreviews: clusterWide<SubjectAccessReview>(
    'authorization.k8s.io',
    'v1',
    'subjectaccessreviews',
    'SubjectAccessReview',
  ),
}

/** `pods`, `deployments.apps`: as schema.GroupResource.String prints it. */
export const qualified = ({ group, resource }: GroupResource) => (group === '' ? resource : `${resource}.${group}`)

export const apiVersionOf = ({ group, version }: { group: string; version: string }) =>
  group === '' ? version : `${group}/${version}`

/** The path of a collection, an object or its subresource. */
export function pathOf(
  resource: Omit<Resource, 'kind' | 'object'>,
  at: { namespace?: string; name?: string; subresource?: string } = {},
): string {
  let path = resource.group === '' ? `/api/${resource.version}` : `/apis/${resource.group}/${resource.version}`
  if (resource.namespaced && at.namespace) path += `/namespaces/${encodeURIComponent(at.namespace)}`
  path += `/${resource.resource}`
  if (at.name !== undefined) path += `/${encodeURIComponent(at.name)}`
  if (at.subresource) path += `/${at.subresource}`
  return path
}

/** How client-go names the type in its logs: `*v1.Node`. */
export const goType = ({ version, kind }: { version: string; kind: string }) => `*${version}.${kind}`

/** `namespace/name`, or `name`: the key of a store. */
export const keyOf = (object: KubeObject) =>
  object.metadata.namespace ? `${object.metadata.namespace}/${object.metadata.name}` : (object.metadata.name ?? '')
