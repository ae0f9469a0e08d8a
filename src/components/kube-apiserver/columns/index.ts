/** The columns of `kubectl get`, by resource: pkg/printers/internalversion/printers.go. */
import type { Column } from '../resources/types.ts'
import { apiServices, controllerRevisions, daemonSets, deployments, replicaSets, statefulSets } from './apps.ts'
import { bindings, certificateSigningRequests, roles } from './identity.ts'
import { endpointSlices, endpoints, events, services } from './network.ts'
import { nodes } from './nodes.ts'
import { pods } from './pods.ts'
import { componentStatuses, configMaps, leases, namespaces, secrets, serviceAccounts, webhooks } from './small.ts'
import { name } from './standard.ts'

const byResource: Record<string, readonly Column[]> = {
  '/componentstatuses': componentStatuses,
  '/configmaps': configMaps,
  '/endpoints': endpoints,
  '/events': events,
  '/namespaces': namespaces,
  '/nodes': nodes,
  '/pods': pods,
  '/secrets': secrets,
  '/serviceaccounts': serviceAccounts,
  '/services': services,
  'admissionregistration.k8s.io/mutatingwebhookconfigurations': webhooks,
  'admissionregistration.k8s.io/validatingwebhookconfigurations': webhooks,
  'apiregistration.k8s.io/apiservices': apiServices,
  'apps/controllerrevisions': controllerRevisions,
  'apps/daemonsets': daemonSets,
  'apps/deployments': deployments,
  'apps/replicasets': replicaSets,
  'apps/statefulsets': statefulSets,
  'certificates.k8s.io/certificatesigningrequests': certificateSigningRequests,
  'coordination.k8s.io/leases': leases,
  'discovery.k8s.io/endpointslices': endpointSlices,
  'events.k8s.io/events': events,
  'rbac.authorization.k8s.io/clusterrolebindings': bindings,
  'rbac.authorization.k8s.io/clusterroles': roles,
  'rbac.authorization.k8s.io/rolebindings': bindings,
  'rbac.authorization.k8s.io/roles': roles,
}

/** rest.NewDefaultTableConvertor, for what has no printer of its own. */
const standard: readonly Column[] = [
  name,
  {
    name: 'Created At',
    type: 'string',
    format: 'date-time',
    value: object => object.metadata.creationTimestamp ?? '',
  },
]

export const columnsOf = (group: string, resource: string): readonly Column[] =>
  byResource[`${group}/${resource}`] ?? standard
