/**
 * What `kubeadm certs generate-csr` does, for a CA that somebody else holds: a key and a request for every certificate that kubeadm
 * manages, and for each kubeconfig one with its key but without certificate and CA. What is there already is never written over.
 */
import { existsSync } from 'node:fs'
import { basename, join } from 'node:path'
import { TrustplaneError } from '#errors.ts'
import { recover, writeTogether } from './atomic-write.ts'
import { generateKey, privateKeyPem } from './keys.ts'
import { renderPartialKubeconfig } from './kubeconfig.ts'
import { withLock } from './lock.ts'
import { ownCertificates } from './lookup.ts'
import { createSigningRequest } from './signing-request.ts'
import type { CertificateSpec, KubeconfigSpec, PkiFiles, Plan } from './types.ts'

export interface GenerateOptions {
  plan: Plan
  /** Where kubeconfigs go, and `pki/` when `certDir` is not given (--kubeconfig-dir). */
  dir: string
  /** Instead of `<dir>/pki` (--cert-dir). */
  certDir?: string
}

export interface Requested {
  /** kubeadm's name: `etcd/server`, `admin.conf`. */
  name: string
  /** Absolute, or relative as `dir` is. */
  key: string
  request: string
  /** Usages that the request cannot say: who signs has to add them. */
  extKeyUsages: readonly string[]
}

interface Wanted {
  row: CertificateSpec | KubeconfigSpec
  name: string
  folder: string
  keyFile: string
  requestFile: string
}

/** @throws TrustplaneError TP_PKI_EXISTS before anything is written */
export async function generateSigningRequests({ plan, dir, certDir }: GenerateOptions): Promise<Requested[]> {
  const wanted = [
    ...ownCertificates(plan)
      .filter(row => row.managed && row.issuer !== 'self')
      .map(row => certificate(row, certDir ?? join(dir, 'pki'))),
    // kubeadm makes kubelet.conf here, too, though it never renews it
    ...plan.kubeconfigs.filter(row => row.managed || row.name === 'kubelet.conf').map(row => kubeconfig(row, dir)),
  ]
  const there = wanted.flatMap(({ folder, keyFile, requestFile }) =>
    [keyFile, requestFile].map(file => join(folder, file)).filter(existsSync),
  )
  if (there.length > 0) {
    const more = there.length > 1 ? ` (and ${there.length - 1} more)` : ''
    throw new TrustplaneError('TP_PKI_EXISTS', `file already exists: ${there[0]}${more}`, {
      fix: 'give folders of their own to --cert-dir and --kubeconfig-dir, or move away what is there: a key is never written over',
      at: { file: there[0]! },
    })
  }
  const folders = Map.groupBy(await Promise.all(wanted.map(filesOf)), made => made.folder)
  for (const [folder, made] of folders) {
    await withLock(folder, async () => {
      await recover(folder)
      await writeTogether(folder, new Map(made.flatMap(({ files }) => [...files])))
    })
  }
  return wanted.map(({ row, name, folder, keyFile, requestFile }) => ({
    name,
    key: join(folder, keyFile),
    request: join(folder, requestFile),
    extKeyUsages: row.extKeyUsages,
  }))
}

function certificate(row: CertificateSpec, folder: string): Wanted {
  const name = row.file.replace(/^pki\//, '')
  return { row, name, folder, keyFile: `${name}.key`, requestFile: `${name}.csr` }
}

function kubeconfig(row: KubeconfigSpec, folder: string): Wanted {
  const name = basename(row.file)
  return { row, name, folder, keyFile: name, requestFile: `${name}.csr` }
}

async function filesOf({ row, folder, keyFile, requestFile }: Wanted): Promise<{ folder: string; files: PkiFiles }> {
  const { commonName, organizations, dnsNames, ipAddresses } = row
  const key = await generateKey(row.keyAlgorithm)
  const request = await createSigningRequest({ subject: { commonName, organizations }, dnsNames, ipAddresses }, key)
  const secret =
    'server' in row
      ? renderPartialKubeconfig({
          clusterName: row.clusterName,
          server: row.server,
          user: row.commonName,
          clientKey: privateKeyPem(key),
        })
      : privateKeyPem(key)
  return {
    folder,
    files: new Map([
      [keyFile, { content: secret, mode: 0o600 }],
      [requestFile, { content: request, mode: 0o644 }],
    ]),
  }
}
