/** Modes of files and folders; pairs that do not belong together; kubeconfigs that verify nothing. */

import { publicKeyHash } from '../inspect.ts'
import type { Check } from '../inventory.ts'
import type { Finding, Inspected } from '../types.ts'

const octal = (mode: number) => `mode ${mode.toString(8).padStart(4, '0')}`

const hasKey = ({ keys, kubeconfig }: Inspected) => keys.length > 0 || (kubeconfig?.publicKeys.length ?? 0) > 0

/** Windows has no modes. */
const modesCount = process.platform !== 'win32'

const modes: Check = ({ files, folders }) => {
  if (!modesCount) return []
  const found: Finding[] = []
  const withKeys = new Set<string>()
  for (const file of files) {
    const { path, mode = 0 } = file
    if (hasKey(file)) {
      withKeys.add(path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '')
      if ((mode & 0o077) !== 0) found.push({ rule: 'key-mode', path, detail: octal(mode) })
    } else if (file.certificates.length > 0 && (mode & 0o022) !== 0) {
      found.push({ rule: 'certificate-mode', path, detail: octal(mode) })
    }
  }
  for (const [path, mode] of folders) {
    if (withKeys.has(path) && (mode & 0o077) !== 0)
      found.push({ rule: 'folder-mode', path: path || '.', detail: octal(mode) })
  }
  return found
}

/** `apiserver.crt` and `apiserver.key`; `server.pem` and `server-key.pem`. */
const stemOf = (path: string) => path.replace(/([.-]key)?(\.(crt|key|pem|cert))?$/, '')

const pairs: Check = ({ files }) => {
  const found: Finding[] = []
  for (const file of files) {
    const { path, certificates, kubeconfig } = file
    const [leaf] = certificates
    const isBeside = (other: Inspected) =>
      other !== file && other.keys.length > 0 && stemOf(other.path) === stemOf(path)
    const keyFile = leaf && !kubeconfig ? files.find(isBeside) : undefined
    const key = keyFile?.keys[0]?.publicKey
    if (leaf && key && key !== publicKeyHash(leaf)) {
      found.push({ rule: 'key-mismatch', path, detail: `${leaf.subject}, and ${keyFile?.path}` })
    }
    for (const certificate of kubeconfig?.certificates ?? []) {
      if (kubeconfig!.publicKeys.length > 0 && !kubeconfig!.publicKeys.includes(publicKeyHash(certificate))) {
        found.push({ rule: 'key-mismatch', path, detail: `${certificate.subject}, and client-key-data` })
      }
    }
  }
  return found
}

const verification: Check = ({ files }) =>
  files
    .filter(({ kubeconfig }) => kubeconfig?.skipsVerification)
    .map(({ path }) => ({ rule: 'verification-off', path, detail: 'insecure-skip-tls-verify: true' }))

export const fileChecks: readonly Check[] = [modes, pairs, verification]
