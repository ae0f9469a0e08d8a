/** The admission plugins that are on by default and matter here, as plugin/pkg/admission has them. */

import { nodeRestriction } from '#kubernetes/node-restriction.ts'
import { forbidden, notFound } from '#kubernetes/status.ts'
import type { Node, Pod } from '#kubernetes/types.ts'
import { resourceOf } from '../resources/table.ts'
import type { StoreInformer } from '../storage/informer.ts'
import type { Store } from '../storage/store.ts'
import { keyFor } from '../verbs/keys.ts'
import type { Plugin } from './types.ts'

const immortal = ['default', 'kube-system', 'kube-public']

/** NamespaceLifecycle: nothing is made in a namespace that is not there or going; three namespaces cannot go. */
export function namespaceLifecycle(namespaces: StoreInformer, store: Store): Plugin {
  const definition = resourceOf('', 'namespaces')
  return async request => {
    const { operation, namespace, name, definition: of, subresource } = request
    if (of.kind === 'Namespace') {
      if (operation === 'DELETE' && immortal.includes(name))
        throw forbidden(definition, name, 'this namespace may not be deleted')
      return
    }
    if (operation !== 'CREATE' || !of.namespaced || of.virtual) return
    // An informer may be a moment behind, so what it misses is asked of etcd.
    const found = namespaces.get(namespace) ?? (await store.read(keyFor(definition, '', namespace)))
    if (!found) throw notFound(definition, namespace)
    if (found.metadata.deletionTimestamp && subresource === '') {
      const error = forbidden(
        of,
        name,
        `unable to create new content in namespace ${namespace} because it is being terminated`,
      )
      Object.assign(error.status.details ?? {}, {
        causes: [
          {
            reason: 'NamespaceTerminating',
            message: `namespace ${namespace} is being terminated`,
            field: 'metadata.namespace',
          },
        ],
      })
      throw error
    }
  }
}

/** NodeRestriction. */
export function restrictNodes(store: Store): Plugin {
  const read = async <T>(resource: string, namespace: string, name: string) =>
    (await store.read(keyFor(resourceOf('', resource), namespace, name))) as T | undefined
  const lookup = {
    pod: (namespace: string, name: string) => read<Pod>('pods', namespace, name),
    node: (name: string) => read<Node>('nodes', '', name),
  }
  return async ({ definition, operation, user, subresource, namespace, name, object, old }) => {
    // Spares everybody else two look-ups.
    if (!user.groups.includes('system:nodes')) return
    const info = { apiGroup: definition.group, resource: definition.resource, subresource, namespace, name }
    const refusal = await nodeRestriction(
      { user, operation, info, ...(object ? { object } : {}), ...(old ? { oldObject: old } : {}) },
      lookup,
    )
    if (refusal) throw refusal
  }
}

/** CertificateApproval, CertificateSigning and CertificateSubjectRestriction are in certificates.ts. */

/** DefaultTolerationSeconds: a pod stays five minutes on a node that is gone. */
export const defaultTolerationSeconds: Plugin = ({ definition, operation, subresource, object }) => {
  if (definition.kind !== 'Pod' || operation !== 'CREATE' || subresource !== '' || !object) return
  const spec = object.spec as { tolerations?: Record<string, unknown>[] }
  const tolerations = spec.tolerations ?? []
  for (const key of ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable']) {
    const tolerated = tolerations.some(t => (t.key === key || !t.key) && (t.effect === 'NoExecute' || !t.effect))
    if (!tolerated) tolerations.push({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 })
  }
  spec.tolerations = tolerations
}
