/** What a dialling component holds, by what a row of the connection table names: a kubeconfig, or a pair of files and a bundle. */
import { readFileSync } from 'node:fs'
import { loadKubeconfig, type Source } from '#kubernetes/kubeconfig.ts'
import { silentLog } from '#log.ts'
import { fileBundle, memoryBundle } from '#tls/bundle.ts'
import { fileIdentity, memoryIdentity } from '#tls/identity.ts'
import type { BundleSource, IdentitySource } from '#tls/types.ts'
import type { Decided } from './connections.ts'
import { fileOf, isKubeconfig, type Layout, shownPair } from './layout.ts'

/** @throws Error in the original's words, for files that it would not start with */
export function identityOf(layout: Layout, decided: Decided, node = layout.nodes[0]!.name): IdentitySource {
  if (!isKubeconfig(decided)) {
    const { certificate, key } = shownPair(layout, decided, node)
    return fileIdentity({ certFile: certificate, keyFile: key, reload: 'start', log: silentLog })
  }
  const file = fileOf(layout, decided, 'certificate', node)!
  const { clientCertificate, clientKey } = loadKubeconfig(file)
  return memoryIdentity(pemOf(clientCertificate), pemOf(clientKey), file)
}

/**
 * Undefined: the client does not check (no bundle in the plan, or insecure-skip-tls-verify).
 * @param options.etcd etcd's client library reads a bundle by etcd's rules (go-verdicts.md §3.1)
 */
export function rootsOf(
  layout: Layout,
  decided: Decided,
  options: { node?: string; etcd?: boolean } = {},
): BundleSource | undefined {
  const file = fileOf(layout, decided, 'trust', options.node)
  if (!file) return undefined
  if (!isKubeconfig(decided)) {
    return fileBundle({ file, reader: options.etcd ? 'etcd' : 'client-go', reload: 'start', log: silentLog })
  }
  const { certificateAuthority, insecureSkipTlsVerify } = loadKubeconfig(file)
  return insecureSkipTlsVerify ? undefined : memoryBundle(pemOf(certificateAuthority), file)
}

const pemOf = (source: Source | undefined): string =>
  source === undefined ? '' : 'data' in source ? source.data : readFileSync(source.file, 'latin1')
