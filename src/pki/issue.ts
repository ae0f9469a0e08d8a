/** A whole PKI, in memory: authorities first, then everything that they sign, all at once. */
import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto'
import type { Clock } from '#clock.ts'
import { TrustplaneError } from '#errors.ts'
import type { Signer } from './certificates.ts'
import { contentOf } from './content.ts'
import { generateKey, privateKeyPem } from './keys.ts'
import { readKubeconfigIdentity, renderKubeconfig } from './kubeconfig.ts'
import { ownCertificates, trustFiles } from './lookup.ts'
import type { TrustSlot } from './trust-slots.ts'
import type { AuthoritySpec, Issuance, PkiFiles, Plan } from './types.ts'

/** `.crt` files are for everybody, keys and kubeconfigs for their owner alone. */
const publicMode = 0o644
const privateMode = 0o600

let issuers: Promise<Pick<typeof import('./certificates.ts'), 'issueCertificate'> & typeof import('./self-signed.ts')>

/** The libraries that make certificates are large: they are loaded when first needed. */
function loadIssuers() {
  issuers ??= (async () => {
    const [{ issueCertificate }, { issueSelfSigned }] = await Promise.all([
      import('./certificates.ts'),
      import('./self-signed.ts'),
    ])
    return { issueCertificate, issueSelfSigned }
  })()
  return issuers
}

/**
 * A whole PKI in memory, path → content.
 * @example
 * const files = await issuePki(await loadPlan('kubeadm'), { now: () => new Date() })
 * files.get('pki/ca.crt')!.content
 * @param kept files that are there already and stay, path → content: their certificates and keys are used, not made again
 * @returns the files to write, without those that are kept
 * @throws TrustplaneError TP_PKI_CA_KEY_MISSING
 */
export async function issuePki(
  plan: Plan,
  clock: Clock,
  kept: ReadonlyMap<string, string> = new Map(),
): Promise<PkiFiles> {
  const now = clock.now()
  const files: PkiFiles = new Map()
  // at once with the keys; not at all when every certificate is there
  const anyMissing = [...plan.authorities, ...ownCertificates(plan), ...plan.kubeconfigs].some(
    row => !kept.has(certificatePath(row)),
  )
  const [keys] = await Promise.all([makeKeys(plan, kept), anyMissing && loadIssuers()])
  const certificates = new Map<string, string>()

  const certify = async (row: Issuance, authority?: AuthoritySpec): Promise<string> => {
    const { issueCertificate, issueSelfSigned } = await loadIssuers()
    const content = contentOf(row, certificates, now, authority)
    const key = keys.get(row.name)!
    if (row.issuer === 'self') {
      return authority ? issueCertificate(content, key, { self: key }) : issueSelfSigned(content, key)
    }
    return issueCertificate(content, key, signerOf(plan, row, certificates, keys))
  }

  const authorities = new Map<string, Promise<void>>()
  const makeAuthority = (authority: AuthoritySpec): Promise<void> => {
    const started = authorities.get(authority.name)
    if (started) return started
    const done = (async () => {
      const existing = kept.get(authority.certificateFile)
      if (existing !== undefined) {
        certificates.set(authority.name, existing)
        return
      }
      const issuer = plan.authorities.find(candidate => candidate.name === authority.issuer)
      if (issuer) await makeAuthority(issuer)
      certificates.set(authority.name, await certify(authority, authority))
    })()
    authorities.set(authority.name, done)
    return done
  }
  await Promise.all(plan.authorities.map(makeAuthority))

  const leaves = [...ownCertificates(plan), ...plan.kubeconfigs]
  await Promise.all(
    leaves.map(async row => {
      const existing = kept.get(certificatePath(row))
      if (existing === undefined) certificates.set(row.name, await certify(row))
      else if ('certificateFile' in row) certificates.set(row.name, existing)
    }),
  )

  for (const { name, sameAs } of plan.certificates) {
    const other = sameAs && certificates.get(sameAs)
    if (other) certificates.set(name, other)
  }

  const put = (path: string, content: string, mode: number, notAfter?: Date) => {
    if (!kept.has(path)) files.set(path, { content, mode, ...(notAfter ? { notAfter } : {}) })
  }
  const chain = (row: Issuance) => {
    const leaf = certificates.get(row.name)!
    return [leaf, ...row.chain.map(name => certificates.get(name)!)].join('')
  }
  // keys before their certificates: what a crash leaves is a key that the next run goes on with
  for (const row of plan.authorities) {
    const key = keys.get(row.name)
    if (key && !row.sameKeyAs) put(row.keyFile, privateKeyPem(key), privateMode)
    put(row.certificateFile, chain(row), publicMode, notAfterOf(certificates.get(row.name)!))
  }
  for (const row of ownCertificates(plan)) {
    if (kept.has(row.certificateFile)) continue
    put(row.keyFile, privateKeyPem(keys.get(row.keyFrom ?? row.name)!), row.keyMode)
    put(row.certificateFile, chain(row), publicMode, notAfterOf(certificates.get(row.name)!))
  }
  for (const row of plan.kubeconfigs) {
    if (kept.has(row.file)) continue
    const text = renderKubeconfig({
      clusterName: row.clusterName,
      server: row.server,
      user: row.commonName || row.name,
      certificateAuthority: row.trust.map(name => certificates.get(name)!).join(''),
      clientCertificate: chain(row),
      clientKey: privateKeyPem(keys.get(row.name)!),
    })
    put(row.file, text, row.mode, notAfterOf(certificates.get(row.name)!))
  }
  for (const row of plan.keyPairs) {
    const key = keys.get(row.name)!
    put(row.keyFile, privateKeyPem(key), privateMode)
    // 0600 too, as kubeadm's keyutil.WriteKey does
    put(row.publicKeyFile, createPublicKey(key).export({ format: 'pem', type: 'spki' }).toString(), privateMode)
  }
  for (const [slot, names] of Object.entries(plan.trust)) {
    for (const path of trustFiles(plan, slot as TrustSlot)) {
      if (isBundle(path)) files.set(path, { content: bundleOf(names, certificates), mode: publicMode })
    }
  }
  return files
}

/** Where an entry's certificate is, on its own or in a kubeconfig. */
const certificatePath = (row: { certificateFile: string } | { file: string }) =>
  'certificateFile' in row ? row.certificateFile : row.file

/** Else it is an authority's own file. */
const isBundle = (path: string) => path.startsWith('trust/') || path.startsWith('etcd/')

const bundleOf = (names: readonly string[], certificates: ReadonlyMap<string, string>) =>
  names.map(name => certificates.get(name)!).join('')

const notAfterOf = (certificate: string) => new X509Certificate(certificate).validToDate

/** Every entry's key: kept, another entry's, or new. An authority whose key is not there (external CA) has none. */
async function makeKeys(plan: Plan, kept: ReadonlyMap<string, string>): Promise<Map<string, KeyObject>> {
  const keys = new Map<string, KeyObject>()
  const later: { name: string; sameKeyAs: string }[] = []
  const lent = new Set([...plan.authorities, ...ownCertificates(plan), ...plan.kubeconfigs].map(row => row.sameKeyAs))
  const make = async (name: string, keyFile: string, row: { keyAlgorithm: Issuance['keyAlgorithm'] }) => {
    const existing = kept.get(keyFile)
    keys.set(name, existing === undefined ? await generateKey(row.keyAlgorithm) : createPrivateKey(existing))
  }
  await Promise.all([
    ...plan.authorities.map(async row => {
      if (row.sameKeyAs) later.push({ name: row.name, sameKeyAs: row.sameKeyAs })
      else if (kept.has(row.keyFile) || !kept.has(row.certificateFile)) await make(row.name, row.keyFile, row)
    }),
    ...ownCertificates(plan).map(async row => {
      if (row.sameKeyAs) later.push({ name: row.name, sameKeyAs: row.sameKeyAs })
      else await make(row.name, row.keyFile, row)
    }),
    ...plan.kubeconfigs.map(async row => {
      const existing = kept.get(row.file)
      if (row.sameKeyAs) later.push({ name: row.name, sameKeyAs: row.sameKeyAs })
      else if (existing === undefined) keys.set(row.name, await generateKey(row.keyAlgorithm))
      else if (lent.has(row.name)) {
        const { elsewhere, clientKey } = readKubeconfigIdentity(existing, row.file)
        if (!elsewhere) keys.set(row.name, createPrivateKey(clientKey))
      }
    }),
    ...plan.keyPairs.map(row => make(row.name, row.keyFile, row)),
  ])
  // a chain of entries with one key: the last one has it
  for (const { name } of later) {
    let owner = name
    for (const _ of later) owner = later.find(entry => entry.name === owner)?.sameKeyAs ?? owner
    const key = keys.get(owner)
    if (key) keys.set(name, key)
  }
  return keys
}

function signerOf(
  plan: Plan,
  row: Issuance,
  certificates: ReadonlyMap<string, string>,
  keys: ReadonlyMap<string, KeyObject>,
): Signer {
  const key = keys.get(row.issuer)
  const authority = plan.authorities.find(({ name }) => name === row.issuer)!
  if (key) return { certificate: certificates.get(row.issuer)!, key, file: authority.certificateFile }
  throw new TrustplaneError('TP_PKI_CA_KEY_MISSING', `${authority.keyFile} is not there, and ${row.name} needs it`, {
    fix: `put back the key that belongs to ${authority.certificateFile}, or let the external CA sign ${row.file}`,
    at: { file: authority.keyFile },
  })
}
