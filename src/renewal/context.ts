/** What the controllers of this room share: one client, the informers, the recorder. */
import type { Clock } from '#clock.ts'
import type { EventRecorder } from '#components/event-recorder.ts'
import type { Client } from '#kubernetes/client.ts'
import type { Informer } from '#kubernetes/informer.ts'
import type { Resource } from '#kubernetes/resources.ts'
import type { KubeObject, ObjectReference, Secret } from '#kubernetes/types.ts'
import type { Log } from '#log.ts'
import type { Certificate, CertificateRequest, Issuer, IssuerReference } from './types.ts'
import { issuerKind } from './types.ts'

export interface RenewalContext {
  client: Client
  clock: Clock
  log: Log
  events: EventRecorder
  informers: {
    certificates: Informer<Certificate>
    requests: Informer<CertificateRequest>
    issuers: Informer<Issuer>
    clusterIssuers: Informer<Issuer>
    secrets: Informer<Secret>
  }
}

export const keyOf = ({ metadata }: KubeObject): string =>
  metadata.namespace ? `${metadata.namespace}/${metadata.name}` : (metadata.name ?? '')

export const referenceOf = <T extends KubeObject>(resource: Resource<T>, { metadata }: T): ObjectReference => ({
  kind: resource.kind,
  apiVersion: `${resource.group}/${resource.version}`,
  ...(metadata.namespace ? { namespace: metadata.namespace } : {}),
  name: metadata.name ?? '',
  ...(metadata.uid ? { uid: metadata.uid } : {}),
})

/** An Issuer is of the namespace; a ClusterIssuer of all, its secrets in cert-manager's own (--cluster-resource-namespace). */
export function issuerOf(
  { informers }: RenewalContext,
  reference: IssuerReference,
  namespace: string,
): { issuer: Issuer | undefined; secretNamespace: string } {
  return issuerKind(reference) === 'ClusterIssuer'
    ? { issuer: informers.clusterIssuers.get(reference.name), secretNamespace: clusterResourceNamespace }
    : { issuer: informers.issuers.get(`${namespace}/${reference.name}`), secretNamespace: namespace }
}

/** Where a ClusterIssuer's CA secret is looked for. */
export const clusterResourceNamespace = 'cert-manager'
