/**
 * A CA whose key is elsewhere: kubeadm's UsingExternalCA and its sisters. It is there without its key, and what it has signed must be
 * whole: key and certificate readable, the certificate from this CA. kubeadm looks at the names below and at no others; it stops at the first problem.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf, TrustplaneError } from '#errors.ts'
import type { AuthoritySpec, Plan } from './types.ts'

/** kubeadm's names for what it checks, by the CA that signs it (phases/certs/certs.go). */
const checked: Record<string, Record<string, string>> = {
  ca: { apiserver: 'API server', 'apiserver-kubelet-client': 'API server kubelet client' },
  'front-proxy-ca': { 'front-proxy-client': 'front-proxy client' },
  'etcd-ca': {
    'apiserver-etcd-client': 'apiserver etcd client',
    'etcd-server': 'etcd server',
    'etcd-peer': 'etcd peer',
    'etcd-healthcheck-client': 'etcd health-check client',
  },
}

/** @throws TrustplaneError TP_PKI_MISSING, TP_PEM_INVALID, TP_PKI_EXISTS, in kubeadm's words, before anything is renewed */
export async function checkExternalAuthority(dir: string, plan: Plan, authority: AuthoritySpec): Promise<void> {
  const base = authority.file.replace(/^pki\//, '')
  const ca = new X509Certificate(await readFile(join(dir, authority.certificateFile)))
  for (const [name, words] of Object.entries(checked[authority.name] ?? {})) {
    const row = plan.certificates.find(certificate => certificate.name === name)
    if (!row || row.issuer !== authority.name) continue
    const fail = (
      code: 'TP_PKI_MISSING' | 'TP_PEM_INVALID' | 'TP_PKI_EXISTS',
      what: string,
      fix: string,
      cause?: unknown,
    ) =>
      new TrustplaneError(code, `Error checking external CA condition for ${base} certificate authority: ${what}`, {
        fix: `${fix}; nothing was renewed`,
        ...(cause === undefined ? {} : { cause }),
      })
    const key = await load(join(dir, row.keyFile))
    const where = row.file.replace(/^pki\//, '')
    if ('problem' in key)
      throw fail('TP_PKI_MISSING', `failure loading key for ${where}: ${key.problem}`, `put back ${row.keyFile}`)
    const text = await load(join(dir, row.certificateFile))
    if ('problem' in text)
      throw fail(
        'TP_PKI_MISSING',
        `failure loading certificate for ${words}: ${text.problem}`,
        `have it signed anew by the CA's owner: trustplane pki generate-csr writes the request`,
      )
    let certificate: X509Certificate
    try {
      createPrivateKey(key.content)
      certificate = new X509Certificate(text.content)
    } catch (cause) {
      throw fail(
        'TP_PEM_INVALID',
        `failure loading certificate for ${words}: ${messageOf(cause)}`,
        `put back ${row.certificateFile} and ${row.keyFile}`,
        cause,
      )
    }
    if (!signedBy(certificate, text.content, ca))
      throw fail(
        'TP_PKI_EXISTS',
        `certificate ${words} is not signed by corresponding CA: x509: certificate signed by unknown authority`,
        `take the certificate that ${authority.certificateFile} signed, or the CA certificate that signed it`,
      )
  }
}

/** Directly, or by an intermediate behind it in its file. */
function signedBy(certificate: X509Certificate, text: string, ca: X509Certificate): boolean {
  const chain = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  const issuers = [...chain.slice(1).map(block => new X509Certificate(block)), ca]
  let current = certificate
  for (let i = 0; i < issuers.length; i++) {
    if (current.verify(ca.publicKey)) return true
    const next = issuers.find(issuer => issuer !== current && current.verify(issuer.publicKey))
    if (!next) return false
    current = next
  }
  return false
}

async function load(path: string): Promise<{ content: string } | { problem: string }> {
  try {
    return { content: await readFile(path, 'utf8') }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return { problem: code === 'ENOENT' ? `open ${path}: no such file or directory` : `open ${path}: ${code}` }
  }
}
