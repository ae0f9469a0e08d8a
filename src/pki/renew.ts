/**
 * Renewal as `kubeadm certs renew` does it: names and usages come from the certificate that is there, not from the plan; the key is
 * new; a kubeconfig keeps its CA (kubernetes/kubeadm#2027); whatever its age, a certificate is renewed.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Clock, systemClock } from '#clock.ts'
import { messageOf, nearest, TrustplaneError } from '#errors.ts'
import { parseCertificate } from '#x509/certificate.ts'
import type { Certificate } from '#x509/types.ts'
import { recover, writeTogether } from './atomic-write.ts'
import { contentToRenew } from './certificate-content.ts'
import { issueCertificate } from './certificates.ts'
import { checkExternalAuthority } from './external-ca.ts'
import { generateKey, privateKeyPem } from './keys.ts'
import { readKubeconfigIdentity, withClientCertificate } from './kubeconfig.ts'
import { withLock } from './lock.ts'
import { ownCertificates } from './lookup.ts'
import type { AuthoritySpec, CertificateSpec, KubeconfigSpec, PkiFiles, Plan } from './types.ts'

export interface Renewed {
  name: string
  /** kubeadm's words: `certificate for serving the Kubernetes API`. */
  longName: string
  file: string
  outcome: 'renewed' | 'missing' | 'external'
  notAfter?: Date
  /** What kubeadm prints. */
  message: string
}

type Row = CertificateSpec | KubeconfigSpec

/** What `renew` takes: `kubeadm certs renew` knows the managed ones; the others can be named too. */
function renewable(plan: Plan): Row[] {
  const rows: Row[] = [...ownCertificates(plan), ...plan.kubeconfigs].filter(row => row.issuer !== 'self')
  return rows.toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

/**
 * @param names of certificates and kubeconfigs; `all`: the managed ones
 * @throws TrustplaneError TP_NAME_UNKNOWN (nothing is renewed then)
 */
export async function renewCertificates(
  dir: string,
  plan: Plan,
  names: readonly string[],
  clock: Clock = systemClock,
): Promise<Renewed[]> {
  const known = renewable(plan)
  const rows = names.includes('all')
    ? known.filter(row => row.managed)
    : names.map(name => {
        const row = known.find(candidate => candidate.name === name)
        if (row) return row
        const words = known.map(candidate => candidate.name)
        const near = nearest(name, words)
        const fix = near ? `did you mean ${near}?` : `give all, or some of: ${words.join(', ')}`
        throw new TrustplaneError('TP_NAME_UNKNOWN', `there is no certificate ${JSON.stringify(name)} to renew`, {
          fix,
        })
      })
  return withLock(dir, async () => {
    await recover(dir)
    const results: Renewed[] = []
    for (const row of rows) {
      try {
        results.push(await renewOne(dir, plan, row, clock))
      } catch (error) {
        throw withState(error, row, rows, results)
      }
    }
    return results
  })
}

/** Each certificate is renewed whole or not at all; the error says which ones were before it, so that one can go on from there. */
function withState(error: unknown, row: Row, rows: readonly Row[], results: readonly Renewed[]): unknown {
  const done = results.filter(({ outcome }) => outcome === 'renewed').map(({ name }) => name)
  if (!(error instanceof TrustplaneError) || done.length === 0) return error
  const left = rows.slice(rows.indexOf(row)).map(({ name }) => name)
  return new TrustplaneError(
    error.code,
    `${error.message}; renewed before that: ${done.join(', ')}; as they were: ${left.join(', ')}`,
    {
      fix: `${error.fix ? `${error.fix.replace(/;? ?nothing was (changed|renewed)$/, '')}; then ` : ''}go on with \`trustplane pki renew ${left.join(' ')}\``,
      ...(error.at ? { at: error.at } : {}),
      cause: error,
    },
  )
}

async function renewOne(dir: string, plan: Plan, row: Row, clock: Clock): Promise<Renewed> {
  const { name, longName } = row
  const file = 'certificateFile' in row ? row.certificateFile : row.file
  const text = await readIfThere(join(dir, file))
  if (text === undefined) return { name, longName, file, outcome: 'missing', message: `MISSING! ${longName}` }
  const authority = plan.authorities.find(candidate => candidate.name === row.issuer)!
  const signer = await loadSigner(dir, authority)
  if (!signer) {
    await checkExternalAuthority(dir, plan, authority)
    const message = `Detected external ${authority.file.replace(/^pki\//, '')}, ${longName} can't be renewed`
    return { name, longName, file, outcome: 'external', message }
  }
  const old = 'certificateFile' in row ? text : embedded(text, join(dir, file))
  const now = clock.now()
  const content = contentToRenew(readCertificate(old, join(dir, file)))
  const key = await generateKey(row.keyAlgorithm)
  const notAfter = new Date(Math.floor((now.getTime() + row.validityMs) / 1000) * 1000)
  const leaf = await issueCertificate(
    { ...content, notBefore: new X509Certificate(signer.certificate).validFromDate, notAfter },
    key,
    signer,
  )
  // intermediates that it was served with stay behind it
  const chain = [leaf, ...blocksOf(old).slice(1)].join('')
  const files: PkiFiles = new Map()
  if ('certificateFile' in row) {
    files.set(row.keyFile, { content: privateKeyPem(key), mode: row.keyMode })
    files.set(row.certificateFile, { content: chain, mode: 0o644, notAfter })
  } else {
    files.set(row.file, { content: withClientCertificate(text, chain, privateKeyPem(key)), mode: row.mode, notAfter })
  }
  await writeTogether(dir, files)
  return { name, longName, file, outcome: 'renewed', notAfter, message: `${longName} renewed` }
}

/** The certificate in a kubeconfig. @throws TrustplaneError TP_INPUT_INVALID when somebody else keeps it, in a file */
function embedded(text: string, path: string): string {
  const { clientCertificate, clientCertificateFile, elsewhere } = readKubeconfigIdentity(text, path)
  if (!elsewhere) return clientCertificate
  const where = clientCertificateFile === undefined ? 'it has another credential' : `it names ${clientCertificateFile}`
  throw new TrustplaneError('TP_INPUT_INVALID', `${path} has no certificate embedded that could be renewed: ${where}`, {
    fix: 'nothing needs to be done for a kubelet: it renews its own at 70 to 90 % of its life, by CSR; nothing was renewed',
    at: { file: path },
  })
}

const blocksOf = (pem: string) =>
  (pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).map(block => `${block}\n`)

function readCertificate(pem: string, path: string): Certificate {
  try {
    return parseCertificate(new X509Certificate(pem).raw)
  } catch (cause) {
    throw new TrustplaneError(
      'TP_PEM_INVALID',
      `${path} holds no certificate that Go would read: ${messageOf(cause)}`,
      {
        fix: 'remove it, and make it anew with `trustplane pki init`',
        at: { file: path },
        cause,
      },
    )
  }
}

function readKey(pem: string, path: string): KeyObject {
  try {
    return createPrivateKey(pem)
  } catch (cause) {
    throw new TrustplaneError('TP_PEM_INVALID', `${path} holds no private key that can be read: ${messageOf(cause)}`, {
      fix: 'put back the key from your backup; nothing was renewed',
      at: { file: path },
      cause,
    })
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT') return undefined
    throw new TrustplaneError('TP_FILE_UNREADABLE', `cannot read ${path}: ${code}`, { cause })
  }
}

/** An authority's certificate and key; undefined when the key is not there (external CA). */
async function loadSigner(dir: string, authority: AuthoritySpec) {
  const [certificate, key] = await Promise.all([
    readIfThere(join(dir, authority.certificateFile)),
    readIfThere(join(dir, authority.keyFile)),
  ])
  if (certificate === undefined) {
    throw new TrustplaneError('TP_PKI_MISSING', `${join(dir, authority.certificateFile)} is not there`, {
      fix: 'put the CA back, or make a new PKI with `trustplane pki init`',
    })
  }
  if (key === undefined) return undefined
  const privateKey = readKey(key, join(dir, authority.keyFile))
  if (
    !new X509Certificate(readCertificate(certificate, join(dir, authority.certificateFile)).der).checkPrivateKey(
      privateKey,
    )
  ) {
    throw new TrustplaneError(
      'TP_PKI_EXISTS',
      `${join(dir, authority.keyFile)} does not belong to ${join(dir, authority.certificateFile)}`,
      { fix: `put back the key of ${authority.certificateFile}; nothing was renewed` },
    )
  }
  return { certificate, key: privateKey, file: join(dir, authority.certificateFile) }
}
