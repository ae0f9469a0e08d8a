/** May they: `--authorization-mode`, over roles, bindings and pods as they are in etcd. */
import { TrustplaneError } from '#errors.ts'
import { type Authorizer, alwaysAllow, alwaysDeny, privilegedGroups, unionAuthorizer } from '#kubernetes/authz.ts'
import { nodeRules } from '#kubernetes/bootstrap-policy.ts'
import { NodeGraph, nodeAuthorizer } from '#kubernetes/node-authorizer.ts'
import { RbacStore, rbacAuthorizer } from '#kubernetes/rbac.ts'
import type { ClusterRole, Pod } from '#kubernetes/types.ts'
import { resourceOf } from '../resources/table.ts'
import { StoreInformer } from '../storage/informer.ts'
import type { Store } from '../storage/store.ts'

const rbacGroup = 'rbac.authorization.k8s.io'

export interface Authorization {
  authorizer: Authorizer
  rbac: RbacStore
  informers: readonly StoreInformer[]
}

/** @throws TrustplaneError for a mode that there is not */
export function createAuthorization(modes: readonly string[], store: Store): Authorization {
  const rbac = new RbacStore()
  const graph = new NodeGraph()
  const informers = ['clusterroles', 'clusterrolebindings', 'roles', 'rolebindings'].map(
    resource =>
      new StoreInformer(store, resourceOf(rbacGroup, resource), {
        put: object => rbac.put(object as unknown as ClusterRole),
        remove: object => rbac.remove(object as unknown as ClusterRole),
      }),
  )
  if (modes.includes('Node'))
    informers.push(
      new StoreInformer(store, resourceOf('', 'pods'), {
        put: object => graph.putPod(object as unknown as Pod),
        remove: object => graph.removePod(object as unknown as Pod),
      }),
    )
  const known: Record<string, () => Authorizer> = {
    AlwaysAllow: () => alwaysAllow,
    AlwaysDeny: () => alwaysDeny,
    Node: () => nodeAuthorizer(graph, nodeRules),
    RBAC: () => rbacAuthorizer(rbac),
  }
  const authorizers = modes.map(mode => {
    const make = known[mode]
    if (!make)
      throw new TrustplaneError(
        'TP_FLAG_INVALID',
        `kube-apiserver: authorization-mode ${JSON.stringify(mode)} is not a valid mode`,
        {
          fix: `one of ${Object.keys(known).join(', ')}; Webhook and ABAC are not emulated`,
        },
      )
    return make()
  })
  return { authorizer: unionAuthorizer([privilegedGroups(), ...authorizers]), rbac, informers }
}
