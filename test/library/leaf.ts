import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Mesh } from '#index.ts'
import { readKubeconfigIdentity } from '#pki/kubeconfig.ts'

/** The SHA-256 of a certificate or a kubeconfig's certificate, on disk now. */
export function leafOf(mesh: Mesh, name: string): string {
  const { certificates, kubeconfigs } = mesh.layout.plan
  const row = certificates.find(candidate => candidate.name === name)
  const file = join(mesh.dir, row?.certificateFile ?? kubeconfigs.find(candidate => candidate.name === name)!.file)
  const text = readFileSync(file, 'utf8')
  const pem = row ? text : readKubeconfigIdentity(text, file).clientCertificate
  return new X509Certificate(pem).fingerprint256.replaceAll(':', '').toLowerCase()
}
