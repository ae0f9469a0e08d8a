/** One copy of each collection that controllers follow, with the indices that they ask by. */
import { bootstrapTokenType } from '#kubernetes/bootstrap-tokens.ts'
import type { Client } from '#kubernetes/client.ts'
import { createInformer } from '#kubernetes/informer.ts'
import { resources } from '#kubernetes/resources.ts'
import type { KubeObject } from '#kubernetes/types.ts'
import type { Log } from '#log.ts'

export type Informers = ReturnType<typeof createInformers>

const owners = ({ metadata }: KubeObject) => (metadata.ownerReferences ?? []).map(owner => owner.uid)
const namespace = ({ metadata }: KubeObject) => [metadata.namespace ?? '']

/** Not started. They read as the component itself ("shared-informers" in the original), whose role may list and watch everything. */
export function createInformers(client: Client, log: Log) {
  const indexers = { owner: owners, namespace }
  return {
    namespaces: createInformer({ client, log, resource: resources.namespaces }),
    nodes: createInformer({ client, log, resource: resources.nodes }),
    pods: createInformer({
      client,
      log,
      resource: resources.pods,
      indexers: { ...indexers, node: pod => (pod.spec.nodeName ? [pod.spec.nodeName] : []) },
    }),
    services: createInformer({ client, log, resource: resources.services, indexers }),
    endpoints: createInformer({ client, log, resource: resources.endpoints, indexers }),
    endpointslices: createInformer({ client, log, resource: resources.endpointslices, indexers }),
    serviceaccounts: createInformer({ client, log, resource: resources.serviceaccounts }),
    rootCas: createInformer({
      client,
      log,
      resource: resources.configmaps,
      fieldSelector: 'metadata.name=kube-root-ca.crt',
    }),
    clusterInfo: createInformer({
      client,
      log,
      resource: resources.configmaps,
      namespace: 'kube-public',
      fieldSelector: 'metadata.name=cluster-info',
    }),
    bootstrapTokens: createInformer({
      client,
      log,
      resource: resources.secrets,
      namespace: 'kube-system',
      fieldSelector: `type=${bootstrapTokenType}`,
    }),
    deployments: createInformer({ client, log, resource: resources.deployments, indexers }),
    replicasets: createInformer({ client, log, resource: resources.replicasets, indexers }),
    leases: createInformer({ client, log, resource: resources.leases, namespace: 'kube-node-lease', indexers }),
    csrs: createInformer({ client, log, resource: resources.csrs }),
  }
}
