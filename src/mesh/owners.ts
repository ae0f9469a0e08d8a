/** Whose certificate this is: how a server's record of a real program's dial (which writes none of its own) finds its row. */
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { loadKubeconfig } from '#kubernetes/kubeconfig.ts'
import { connections } from './connections.ts'
import { fileOf, isKubeconfig, type Layout } from './layout.ts'

/** SHA-256 of a client certificate (hex) → `from`. Read when first asked; a certificate that several rows show goes by the first. */
export function ownersOf(layout: Layout): (sha256: string) => string | undefined {
  let owners: Map<string, string> | undefined
  return sha256 => {
    owners ??= readOwners(layout)
    return owners.get(sha256)
  }
}

function readOwners(layout: Layout): Map<string, string> {
  const owners = new Map<string, string>()
  for (const { from, clientCertificate } of connections) {
    if (!clientCertificate) continue
    for (const node of layout.nodes) {
      const fingerprint = fingerprintOf(layout, clientCertificate, node.name)
      if (fingerprint && !owners.has(fingerprint)) owners.set(fingerprint, from)
    }
  }
  return owners
}

function fingerprintOf(layout: Layout, decided: { name: string; flag: string }, node: string): string | undefined {
  try {
    const file = fileOf(layout, decided, 'certificate', node)!
    const source = isKubeconfig(decided) ? loadKubeconfig(file).clientCertificate : { file }
    if (!source) return undefined
    const pem = 'data' in source ? source.data : readFileSync(source.file)
    return new X509Certificate(pem).fingerprint256.replaceAll(':', '').toLowerCase()
  } catch {
    return undefined
  }
}
