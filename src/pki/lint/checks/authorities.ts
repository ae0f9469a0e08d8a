/** Who signs what: CAs that sign for too many, and where their keys are. */
import { checkNameConstraints } from '#x509/name-constraints.ts'
import { type Check, type Entry, finding, isNamed, usages } from '../inventory.ts'
import type { Finding } from '../types.ts'

const isEtcds = ({ isCa, paths }: Entry) =>
  !isCa && paths.some(path => /(^|\/)etcd\//.test(path) || /etcd[\w-]*\.(crt|pem)$/.test(path))

const isFrontProxys = ({ isCa, paths }: Entry) =>
  !isCa && paths.some(path => isNamed(path, 'front-proxy-client.crt') || isNamed(path, 'client-auth-proxy.crt'))

const splits: Check = ({ entries, clusterCa }) => {
  if (!clusterCa) return []
  // by its key: a cross-signed CA is the same signer
  const byCluster = (entry: Entry) => entry.issuer?.publicKey === clusterCa.publicKey
  const etcd = entries.find(entry => isEtcds(entry) && byCluster(entry))
  const frontProxy = entries.find(entry => isFrontProxys(entry) && byCluster(entry))
  if (etcd && frontProxy)
    return [finding('one-ca-for-all', clusterCa, `which signed ${etcd.paths[0]} and ${frontProxy.paths[0]}`)]
  return [
    ...(etcd ? [finding('etcd-trusts-cluster-ca', etcd, `issued by ${clusterCa.certificate.subject}`)] : []),
    ...(frontProxy ? [finding('front-proxy-ca-shared', frontProxy, `issued by ${clusterCa.certificate.subject}`)] : []),
  ]
}

const kubelets: Check = ({ entries, clusterCa }) =>
  entries
    .filter(
      entry =>
        !entry.isCa &&
        usages(entry).includes('clientAuth') &&
        entry.certificate.subject.organizations.includes('system:nodes'),
    )
    .filter(entry => clusterCa && entry.issuer?.publicKey !== clusterCa.publicKey)
    .map(entry =>
      finding(
        'kubelet-signed-elsewhere',
        entry,
        `issued by ${entry.certificate.issuer}, and not by ${clusterCa!.certificate.subject}`,
      ),
    )

const keys: Check = ({ files, entries }) => {
  const controlPlane = files.some(({ path }) =>
    ['controller-manager.conf', 'kube-apiserver.yaml', 'apiserver.crt', 'plan.json'].some(name => isNamed(path, name)),
  )
  const isWorker =
    !controlPlane && files.some(({ path }) => /(^|\/)(kubelet\.conf|kubelet[\w-]*\.(pem|crt))$/.test(path))
  return files.flatMap(({ path, keys }): Finding[] => {
    const authority = entries.find(({ isCa, publicKey }) => isCa && keys.some(key => key.publicKey === publicKey))
    if (!authority) return []
    const detail = `of ${authority.certificate.subject}`
    if (isWorker) return [{ rule: 'ca-key-on-worker', path, detail }]
    const leaf = entries.find(({ isCa, issuer }) => !isCa && issuer?.publicKey === authority.publicKey)
    return leaf ? [{ rule: 'ca-key-beside-leaves', path, detail: `${detail}, which signed ${leaf.paths[0]}` }] : []
  })
}

const constraints: Check = ({ entries }) =>
  entries.flatMap(entry => {
    if (!entry.isCa) return []
    const failure = checkNameConstraints(entry.certificate, [entry.certificate], 'go1.19')
    return failure ? [finding('ca-outside-its-constraints', entry, failure.message.replace(/^.*: /, ''))] : []
  })

export const authorityChecks: readonly Check[] = [splits, kubelets, keys, constraints]
