/** What a state directory holds already, as far as a plan knows it: pairs that belong together are kept, anything else is in the way. */
import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf, TrustplaneError } from '#errors.ts'
import { type KubeconfigIdentity, readKubeconfigIdentity, withServer } from './kubeconfig.ts'
import { ownCertificates } from './lookup.ts'
import type { Issuance, PkiFiles, Plan } from './types.ts'

export interface Existing {
  /** Path → content. */
  files: Map<string, string>
  /** Kubeconfigs that dial another address than the plan says: the same identity, with the new one. */
  moved: PkiFiles
  /** Names of entries. */
  kept: string[]
  /** Authorities without a key. */
  external: string[]
}

/** What is there, by path, when it is usable: pairs that belong together, under the authority that the plan says. */
export async function readExisting(plan: Plan, dir: string): Promise<Existing> {
  const found: Existing = { files: new Map(), moved: new Map(), kept: [], external: [] }
  const read = async (path: string) => {
    const content = await readIfThere(join(dir, path))
    if (content !== undefined) found.files.set(path, content)
    return content
  }
  const paths = [
    ...plan.authorities.flatMap(row => [row.certificateFile, row.keyFile]),
    ...ownCertificates(plan).flatMap(row => [row.certificateFile, row.keyFile]),
    ...plan.kubeconfigs.map(row => row.file),
    ...plan.keyPairs.flatMap(row => [row.keyFile, row.publicKeyFile]),
  ]
  await Promise.all(paths.map(read))
  if (found.files.size === 0) return found

  const certificates = new Map<string, X509Certificate>()
  for (const row of plan.authorities) {
    const certificate = certificateIn(found.files.get(row.certificateFile), join(dir, row.certificateFile))
    const key = found.files.get(row.keyFile)
    if (certificate) {
      certificates.set(row.name, certificate)
      found.kept.push(row.name)
      if (key !== undefined) mustMatch(certificate, keyIn(key, join(dir, row.keyFile)), join(dir, row.keyFile))
      else if (!row.sameKeyAs) found.external.push(row.name)
    } else if (key !== undefined) keyIn(key, join(dir, row.keyFile))
  }
  const checkIssuer = (row: Issuance, certificate: X509Certificate, path: string) => {
    const issuer = row.issuer === 'self' ? certificate : certificates.get(row.issuer)
    if (!issuer || !certificate.verify(issuer.publicKey)) {
      throw inTheWay(path, issuer ? `it is not signed by ${row.issuer}` : `its authority ${row.issuer} is missing`)
    }
  }
  const checkIdentity = (row: Issuance, identity: KubeconfigIdentity, path: string): Date => {
    const certificate = certificateIn(identity.clientCertificate, path)
    if (!certificate) throw inTheWay(path, 'it has no client certificate')
    mustMatch(certificate, keyIn(identity.clientKey, path), path)
    checkIssuer(row, certificate, path)
    return certificate.validToDate
  }
  for (const row of ownCertificates(plan)) {
    const path = join(dir, row.certificateFile)
    const certificate = certificateIn(found.files.get(row.certificateFile), path)
    const key = found.files.get(row.keyFile)
    if (certificate) {
      if (key === undefined) throw inTheWay(path, `its key ${row.keyFile} is missing`)
      if (!row.keyFrom) mustMatch(certificate, keyIn(key, join(dir, row.keyFile)), join(dir, row.keyFile))
      checkIssuer(row, certificate, path)
      const missing = namesMissing(row, certificate)
      if (missing.length > 0) throw inTheWay(path, `it does not have the names ${missing.join(', ')} of this plan`)
      found.kept.push(row.name)
    } else if (key !== undefined) keyIn(key, join(dir, row.keyFile))
  }
  for (const row of plan.kubeconfigs) {
    const text = found.files.get(row.file)
    if (text === undefined) continue
    const path = join(dir, row.file)
    const identity = readKubeconfigIdentity(text, path)
    const notAfter = identity.elsewhere ? undefined : checkIdentity(row, identity, path)
    if (identity.server !== row.server) {
      const content = withServer(text, row.server)
      found.moved.set(row.file, { content, mode: row.mode, ...(notAfter ? { notAfter } : {}) })
    }
    found.kept.push(row.name)
  }
  for (const row of plan.keyPairs) {
    const key = found.files.get(row.keyFile)
    const publicKey = found.files.get(row.publicKeyFile)
    if (key === undefined) {
      if (publicKey !== undefined) throw inTheWay(join(dir, row.publicKeyFile), `its key ${row.keyFile} is missing`)
      continue
    }
    const expected = createPublicKey(keyIn(key, join(dir, row.keyFile))).export({ format: 'pem', type: 'spki' })
    if (publicKey === undefined) continue
    if (publicKey.trim() !== expected.toString().trim()) {
      throw inTheWay(join(dir, row.publicKeyFile), `it does not belong to ${row.keyFile}`)
    }
    found.kept.push(row.name)
  }
  return found
}

export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw new TrustplaneError('TP_FILE_UNREADABLE', `cannot read ${path}: ${code ?? messageOf(cause)}`, {
      fix: 'let this user read it, or choose another --dir',
      cause,
    })
  }
}

const inTheWay = (path: string, why: string, cause?: unknown) =>
  new TrustplaneError('TP_PKI_EXISTS', `${path} is there already, and ${why}`, {
    fix: 'move it away, choose another --dir, or make everything anew with --force',
    at: { file: path },
    ...(cause === undefined ? {} : { cause }),
  })

/** kubeadm's check of a serving certificate that it finds: every name of the configuration must be in it. */
function namesMissing(row: Issuance, certificate: X509Certificate): string[] {
  const has = new Set((certificate.subjectAltName ?? '').split(', '))
  return [
    ...row.dnsNames.filter(name => !has.has(`DNS:${name}`)),
    ...row.ipAddresses.filter(address => certificate.checkIP(address) === undefined),
  ]
}

function certificateIn(text: string | undefined, path: string): X509Certificate | undefined {
  if (text === undefined || text === '') return undefined
  try {
    return new X509Certificate(text)
  } catch (cause) {
    throw inTheWay(path, 'it holds no certificate that can be read', cause)
  }
}

function keyIn(text: string, path: string): KeyObject {
  try {
    return createPrivateKey(text)
  } catch (cause) {
    throw inTheWay(path, 'it holds no private key that can be read', cause)
  }
}

function mustMatch(certificate: X509Certificate, key: KeyObject, path: string): void {
  if (!certificate.checkPrivateKey(key)) throw inTheWay(path, 'its key does not belong to its certificate')
}
