/** printDeployment, printReplicaSet, printDaemonSet, printStatefulSet, printControllerRevision, and APIServices. */
import type { Unstructured } from '#kubernetes/types.ts'
import type { Column } from '../resources/types.ts'
import { age, containers, count, images, name } from './standard.ts'
import { array, at, labelsText, number, selectorText, text } from './values.ts'

const selector: Column = { name: 'Selector', wide: true, value: object => selectorText(at(object, 'spec', 'selector')) }

export const deployments: readonly Column[] = [
  name,
  {
    name: 'Ready',
    description: 'Number of the pod with ready state',
    value: d => `${number(d, 'status', 'readyReplicas')}/${number(d, 'spec', 'replicas')}`,
  },
  count('Up-to-date', 'status', 'updatedReplicas'),
  count('Available', 'status', 'availableReplicas'),
  age,
  containers,
  images,
  selector,
]

export const replicaSets: readonly Column[] = [
  name,
  count('Desired', 'spec', 'replicas'),
  count('Current', 'status', 'replicas'),
  count('Ready', 'status', 'readyReplicas'),
  age,
  containers,
  images,
  selector,
]

export const daemonSets: readonly Column[] = [
  name,
  count('Desired', 'status', 'desiredNumberScheduled'),
  count('Current', 'status', 'currentNumberScheduled'),
  count('Ready', 'status', 'numberReady'),
  count('Up-to-date', 'status', 'updatedNumberScheduled'),
  count('Available', 'status', 'numberAvailable'),
  { name: 'Node Selector', value: d => labelsText(at(d, 'spec', 'template', 'spec', 'nodeSelector')) },
  age,
  containers,
  images,
  selector,
]

export const statefulSets: readonly Column[] = [
  name,
  { name: 'Ready', value: s => `${number(s, 'status', 'readyReplicas')}/${number(s, 'spec', 'replicas')}` },
  age,
  containers,
  images,
]

function controller(revision: Unstructured): string {
  const owner = revision.metadata.ownerReferences?.find(reference => reference.controller)
  if (!owner) return '<none>'
  const group = owner.apiVersion.includes('/') ? owner.apiVersion.split('/')[0] : ''
  return `${owner.kind.toLowerCase()}${group ? `.${group}` : ''}/${owner.name}`
}

export const controllerRevisions: readonly Column[] = [
  name,
  { name: 'Controller', value: controller },
  { name: 'Revision', value: revision => String(number(revision, 'revision')) },
  age,
]

export const apiServices: readonly Column[] = [
  name,
  {
    name: 'Service',
    description: 'The reference to the service that hosts this API endpoint.',
    value: s => {
      const service = at(s, 'spec', 'service')
      return service ? `${text(service, 'namespace')}/${text(service, 'name')}` : 'Local'
    },
  },
  {
    name: 'Available',
    description: 'Whether this service is available.',
    value: s => {
      const found = array(s, 'status', 'conditions').find(c => c.type === 'Available')
      if (!found) return 'Unknown'
      return found.status === 'True' ? 'True' : `${found.status} (${found.reason})`
    },
  },
  age,
]
