/** What a rehearsal issues: the authority, self-signed certificate or key pair that takes over, and leaves by whoever signs now. */
import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto'
import { join } from 'node:path'
import type { Clock } from '#clock.ts'
import { messageOf, TrustplaneError } from '#errors.ts'
import { contentToRenew } from '#pki/certificate-content.ts'
import { type CertificateContent, issueCertificate } from '#pki/certificates.ts'
import { contentOf } from '#pki/content.ts'
import { generateKey, privateKeyPem } from '#pki/keys.ts'
import { readKubeconfigIdentity, withClientCertificate } from '#pki/kubeconfig.ts'
import type { PkiFiles, Plan } from '#pki/types.ts'
import { parseCertificate } from '#x509/certificate.ts'
import { readIfThere, readThere } from './store.ts'
import type { Rehearsal } from './types.ts'

/** PEM, both. */
export async function makeReplacement(plan: Plan, name: string, clock: Clock): Promise<{ open: string; key: string }> {
  const pair = plan.keyPairs.find(row => row.name === name)
  const authority = plan.authorities.find(row => row.name === name)
  const row = authority ?? plan.certificates.find(candidate => candidate.name === name)
  const key = await generateKey((pair ?? row!).keyAlgorithm)
  if (pair) {
    return { open: createPublicKey(key).export({ format: 'pem', type: 'spki' }).toString(), key: privateKeyPem(key) }
  }
  const content = contentOf(row!, new Map(), clock.now(), authority)
  if (authority) return { open: await issueCertificate(content, key, { self: key }), key: privateKeyPem(key) }
  const { issueSelfSigned } = await import('#pki/self-signed.ts')
  return { open: await issueSelfSigned(content, key), key: privateKeyPem(key) }
}

/**
 * As `kubeadm certs renew`: names and usages come from the certificate that is there, the key is new; a kubeconfig keeps its CA. Who
 * signs, the type of key, and organizations that the plan changes are the target's.
 * @throws TrustplaneError TP_PKI_CA_KEY_MISSING, TP_REHEARSAL_STOPPED
 */
export async function issueLeaf(dir: string, rehearsal: Rehearsal, name: string, clock: Clock): Promise<PkiFiles> {
  const { plan, target } = rehearsal
  const rows = (of: Plan) => [...of.certificates, ...of.kubeconfigs]
  const row = rows(target).find(candidate => candidate.name === name)!
  const before = rows(plan).find(candidate => candidate.name === name)!
  const path = 'certificateFile' in row ? row.certificateFile : row.file
  const text = readThere(dir, path)
  const old = 'certificateFile' in row ? text : readKubeconfigIdentity(text, join(dir, path)).clientCertificate
  const signer = signerOf(dir, target, row.issuer, name)
  const { subject, ...names } = contentToRenew(parseCertificate(new X509Certificate(old).raw))
  const isMoved = before.organizations.join() !== row.organizations.join()
  const content: CertificateContent = {
    ...names,
    subject: { ...subject, ...(isMoved ? { organizations: row.organizations } : {}) },
    notBefore: new X509Certificate(signer.certificate).validFromDate,
    notAfter: new Date(Math.floor((clock.now().getTime() + row.validityMs) / 1000) * 1000),
  }
  const key = await generateKey(row.keyAlgorithm)
  const certificate = await issueCertificate(content, key, signer)
  const files: PkiFiles = new Map()
  if ('certificateFile' in row) {
    files.set(row.keyFile, { content: privateKeyPem(key), mode: row.keyMode })
    files.set(row.certificateFile, { content: certificate, mode: 0o644 })
  } else {
    files.set(row.file, { content: withClientCertificate(text, certificate, privateKeyPem(key)), mode: row.mode })
  }
  return files
}

function signerOf(dir: string, plan: Plan, issuer: string, leaf: string) {
  const authority = plan.authorities.find(row => row.name === issuer)!
  const certificate = readThere(dir, authority.certificateFile)
  const pem = readIfThere(dir, authority.keyFile)
  if (pem === undefined) {
    throw new TrustplaneError('TP_PKI_CA_KEY_MISSING', `${authority.keyFile} is not there, and ${leaf} needs it`, {
      fix: `put back the key that belongs to ${authority.certificateFile}`,
      at: { file: join(dir, authority.keyFile) },
    })
  }
  try {
    const key = createPrivateKey(pem)
    if (new X509Certificate(certificate).checkPrivateKey(key)) {
      return { certificate, key, file: authority.certificateFile }
    }
  } catch (cause) {
    throw new TrustplaneError('TP_PEM_INVALID', `${authority.keyFile} cannot be read: ${messageOf(cause)}`, {
      fix: 'put it back from your backup; nothing was changed',
      at: { file: join(dir, authority.keyFile) },
      cause,
    })
  }
  throw new TrustplaneError(
    'TP_REHEARSAL_STOPPED',
    `${authority.keyFile} does not belong to ${authority.certificateFile}; nothing was changed`,
    {
      fix: `put back the key that belongs to ${authority.certificateFile}`,
      at: { file: join(dir, authority.keyFile) },
    },
  )
}
