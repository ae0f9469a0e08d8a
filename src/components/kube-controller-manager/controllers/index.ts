/** The controllers, by the names that `--controllers` takes (cmd/kube-controller-manager/names). */
import { createBootstrapSigner } from './bootstrap-signer.ts'
import type { Controller, ControllerContext } from './controller.ts'
import { createCsrApprovingController } from './csr-approving.ts'
import { createCsrCleaner } from './csr-cleaner.ts'
import { createCsrSigningController } from './csr-signing.ts'
import { createDeploymentController } from './deployment/deployment.ts'
import { createEndpointController, createEndpointSliceController } from './endpoints.ts'
import { createRootCaPublisher, createServiceAccountController } from './every-namespace.ts'
import { createGarbageCollector } from './garbage-collector.ts'
import { createNamespaceController } from './namespace.ts'
import { createNodeLifecycleController } from './node-lifecycle.ts'
import { createPodGarbageCollector } from './pod-garbage-collector.ts'
import { createReplicaSetController } from './replicaset.ts'
import { createTaintEvictionController } from './taint-eviction.ts'
import { createTokenCleaner } from './token-cleaner.ts'

export interface ControllerRow {
  name: string
  /** Before Kubernetes 1.28. */
  alias: string
  /** In kube-system: whom it speaks as. */
  serviceAccount: string
  /** Not among `*`: it is named, or does not run. */
  isOffByDefault?: true
  create(context: ControllerContext): Controller
}

export const controllers: readonly ControllerRow[] = [
  {
    name: 'serviceaccount-controller',
    alias: 'serviceaccount',
    serviceAccount: 'service-account-controller',
    create: createServiceAccountController,
  },
  {
    name: 'root-ca-certificate-publisher-controller',
    alias: 'root-ca-cert-publisher',
    serviceAccount: 'root-ca-cert-publisher',
    create: createRootCaPublisher,
  },
  {
    name: 'deployment-controller',
    alias: 'deployment',
    serviceAccount: 'deployment-controller',
    create: createDeploymentController,
  },
  {
    name: 'replicaset-controller',
    alias: 'replicaset',
    serviceAccount: 'replicaset-controller',
    create: createReplicaSetController,
  },
  {
    name: 'endpoints-controller',
    alias: 'endpoint',
    serviceAccount: 'endpoint-controller',
    create: createEndpointController,
  },
  {
    name: 'endpointslice-controller',
    alias: 'endpointslice',
    serviceAccount: 'endpointslice-controller',
    create: createEndpointSliceController,
  },
  {
    name: 'garbage-collector-controller',
    alias: 'garbagecollector',
    serviceAccount: 'generic-garbage-collector',
    create: createGarbageCollector,
  },
  {
    name: 'pod-garbage-collector-controller',
    alias: 'podgc',
    serviceAccount: 'pod-garbage-collector',
    create: createPodGarbageCollector,
  },
  {
    name: 'namespace-controller',
    alias: 'namespace',
    serviceAccount: 'namespace-controller',
    create: createNamespaceController,
  },
  {
    name: 'node-lifecycle-controller',
    alias: 'nodelifecycle',
    serviceAccount: 'node-controller',
    create: createNodeLifecycleController,
  },
  {
    name: 'taint-eviction-controller',
    alias: 'taint-eviction-controller',
    serviceAccount: 'node-controller',
    create: createTaintEvictionController,
  },
  {
    name: 'certificatesigningrequest-signing-controller',
    alias: 'csrsigning',
    serviceAccount: 'certificate-controller',
    create: createCsrSigningController,
  },
  {
    name: 'certificatesigningrequest-approving-controller',
    alias: 'csrapproving',
    serviceAccount: 'certificate-controller',
    create: createCsrApprovingController,
  },
  {
    name: 'certificatesigningrequest-cleaner-controller',
    alias: 'csrcleaner',
    serviceAccount: 'certificate-controller',
    create: createCsrCleaner,
  },
  {
    name: 'bootstrap-signer-controller',
    alias: 'bootstrapsigner',
    serviceAccount: 'bootstrap-signer',
    isOffByDefault: true,
    create: createBootstrapSigner,
  },
  {
    name: 'token-cleaner-controller',
    alias: 'tokencleaner',
    serviceAccount: 'token-cleaner',
    isOffByDefault: true,
    create: createTokenCleaner,
  },
]

/** genericcontrollermanager.IsControllerEnabled: the first word that names it decides, then `*`. */
export function isEnabled({ name, alias, isOffByDefault }: ControllerRow, words: readonly string[]): boolean {
  for (const word of words) {
    if (word === name || word === alias) return true
    if (word === `-${name}` || word === `-${alias}`) return false
  }
  return !isOffByDefault && words.includes('*')
}
