/** Two controllers that keep one object in every namespace: the default ServiceAccount, and the CA that pods verify the apiserver with. */
import { readFileSync } from 'node:fs'
import { resources } from '#kubernetes/resources.ts'
import { isAlreadyExists, isConflict, isForbidden, isNotFound } from '#kubernetes/status.ts'
import { WorkQueue } from '../../work-queue.ts'
import type { Controller, ControllerContext } from './controller.ts'

/** Runs `ensure` for each namespace that is not going, and again whenever `on` says that its object changed. */
function inEveryNamespace(
  { informers, log }: ControllerContext,
  name: string,
  ensure: (namespace: string) => Promise<unknown>,
  onChange: (again: (namespace: string) => void) => void,
): Controller {
  const queue = new WorkQueue({
    name,
    log,
    async sync(namespace) {
      const there = informers.namespaces.get(namespace)
      if (!there || there.metadata.deletionTimestamp) return
      await ensure(namespace).catch(error => {
        // it was just made, or the namespace is just going
        if (!isAlreadyExists(error) && !isConflict(error) && !isNotFound(error) && !isTerminating(error)) throw error
      })
    },
  })
  return {
    start() {
      informers.namespaces
        .on('add', ({ metadata }) => queue.add(metadata.name!))
        .on('update', ({ metadata }) => queue.add(metadata.name!))
      onChange(namespace => queue.add(namespace))
      for (const { metadata } of informers.namespaces.list()) queue.add(metadata.name!)
    },
    stop: () => queue.stop(),
  }
}

const isTerminating = (error: unknown) =>
  isForbidden(error) && String((error as Error).message).includes('being terminated')

/** service-account-controller (pkg/controller/serviceaccount/serviceaccounts_controller.go). */
export function createServiceAccountController(context: ControllerContext): Controller {
  const { client, informers } = context
  return inEveryNamespace(
    context,
    'serviceaccount',
    async namespace => {
      if (informers.serviceaccounts.get(`${namespace}/default`)) return
      await client.create(resources.serviceaccounts, { metadata: { name: 'default', namespace } })
    },
    again =>
      informers.serviceaccounts.on('delete', ({ metadata }) => {
        if (metadata.name === 'default') again(metadata.namespace!)
      }),
  )
}

const rootCaName = 'kube-root-ca.crt'
// pkg/controller/certificates/rootcacertpublisher/publisher.go
const description =
  'Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.'

/** root-ca-certificate-publisher-controller: --root-ca-file, read at start, in every namespace. @throws Error when it cannot be read */
export function createRootCaPublisher(context: ControllerContext): Controller {
  const { client, informers, values } = context
  const file = values['root-ca-file']
  // without the flag the original does not run it
  if (!file) return { start() {}, stop: async () => {} }
  const data = { 'ca.crt': readFileSync(file, 'utf8') }
  return inEveryNamespace(
    context,
    'configmap',
    async namespace => {
      const there = informers.rootCas.get(`${namespace}/${rootCaName}`)
      if (there?.data?.['ca.crt'] === data['ca.crt'] && Object.keys(there.data).length === 1) return
      const annotations = { 'kubernetes.io/description': description }
      if (there) await client.update(resources.configmaps, { ...there, data })
      else await client.create(resources.configmaps, { metadata: { name: rootCaName, namespace, annotations }, data })
    },
    again => {
      const changed = ({ metadata }: { metadata: { namespace?: string } }) => again(metadata.namespace!)
      informers.rootCas.on('update', changed).on('delete', changed)
    },
  )
}
