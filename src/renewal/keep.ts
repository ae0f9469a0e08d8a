/** Certificates of the PKI on disk, handed to the controller: an Issuer for each CA (its key pair in a Secret) and a Certificate for each name. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { nearest, TrustplaneError } from '#errors.ts'
import type { Client } from '#kubernetes/client.ts'
import { type Resource, resources } from '#kubernetes/resources.ts'
import { isAlreadyExists } from '#kubernetes/status.ts'
import type { KubeObject, Secret } from '#kubernetes/types.ts'
import { authorityOf, ownCertificates } from '#pki/lookup.ts'
import type { AuthoritySpec, KubeconfigSpec, Plan, CertificateSpec as PlanCertificate } from '#pki/types.ts'
import { type Certificate, certificates, type Issuer, issuers, writesTo } from './types.ts'
import { wordsOf } from './usages.ts'

export interface KeepOptions {
  client: Client
  dir: string
  plan: Plan
  /** Of certificates and kubeconfigs. */
  names: readonly string[]
  namespace: string
  /** Go's durations; left out: the plan's, and a third of it. */
  duration?: string
  renewBefore?: string
}

/**
 * What is there already is changed to what is wanted.
 * @throws TrustplaneError TP_NAME_UNKNOWN, TP_PKI_CA_KEY_MISSING before anything is written
 */
export async function keepFresh({ client, dir, plan, names, namespace, ...more }: KeepOptions): Promise<void> {
  const rows = names.map(name => rowOf(plan, name))
  const authorities = [...new Set(rows.map(row => row.issuer))].map(name => authorityOf(plan, name))
  const secrets = await Promise.all(authorities.map(authority => keyPairOf(dir, authority, namespace)))
  await put(client, resources.namespaces, { metadata: { name: namespace } }, 'keep')
  for (const secret of secrets) await put(client, resources.secrets, secret)
  for (const { name } of authorities) {
    const issuer: Issuer = { metadata: { name, namespace }, spec: { ca: { secretName: secretName(name) } } }
    await put(client, issuers, issuer)
  }
  for (const row of rows) await put(client, certificates, certificateOf(row, namespace, more))
}

const secretName = (authority: string) => `${authority}-key-pair`

type Row = PlanCertificate | KubeconfigSpec

function rowOf(plan: Plan, name: string): Row {
  const rows: Row[] = [...ownCertificates(plan), ...plan.kubeconfigs].filter(row => row.issuer !== 'self')
  const row = rows.find(candidate => candidate.name === name)
  if (row) return row
  const words = rows.map(candidate => candidate.name)
  const near = nearest(name, words)
  throw new TrustplaneError('TP_NAME_UNKNOWN', `there is no certificate ${JSON.stringify(name)} to keep`, {
    fix: near ? `did you mean ${near}?` : `give some of: ${words.join(', ')}`,
  })
}

async function keyPairOf(dir: string, authority: AuthoritySpec, namespace: string): Promise<Secret> {
  const read = (file: string) =>
    readFile(join(dir, file), 'base64').catch(cause => {
      throw new TrustplaneError(
        'TP_PKI_CA_KEY_MISSING',
        `${join(dir, file)} cannot be read: an Issuer needs the CA’s certificate and key`,
        {
          fix: 'put it back, or let whoever holds the CA renew: trustplane pki generate-csr',
          at: { file: join(dir, file) },
          cause,
        },
      )
    })
  const [crt, key] = await Promise.all([read(authority.certificateFile), read(authority.keyFile)])
  return {
    metadata: { name: secretName(authority.name), namespace },
    type: 'kubernetes.io/tls',
    data: { 'tls.crt': crt, 'tls.key': key },
  }
}

function certificateOf(row: Row, namespace: string, more: Pick<KeepOptions, 'duration' | 'renewBefore'>): Certificate {
  const [algorithm = 'RSA', size = ''] = row.keyAlgorithm.split('-')
  return {
    metadata: { name: row.name, namespace, annotations: { [writesTo]: row.name } },
    spec: {
      secretName: `${row.name}-tls`,
      issuerRef: { name: row.issuer, kind: 'Issuer', group: issuers.group },
      commonName: row.commonName,
      ...(row.organizations.length > 0 ? { subject: { organizations: [...row.organizations] } } : {}),
      ...(row.dnsNames.length > 0 ? { dnsNames: [...row.dnsNames] } : {}),
      ...(row.ipAddresses.length > 0 ? { ipAddresses: [...row.ipAddresses] } : {}),
      usages: wordsOf(row),
      duration: more.duration ?? `${Math.round(row.validityMs / 3_600_000)}h`,
      ...(more.renewBefore ? { renewBefore: more.renewBefore } : {}),
      privateKey: {
        algorithm: algorithm as 'RSA' | 'ECDSA' | 'Ed25519',
        ...(size ? { size: Number(size.replace('P', '')) } : {}),
        rotationPolicy: 'Always',
      },
    },
  }
}

/** @param there what becomes of one that is there already */
async function put<T extends KubeObject>(
  client: Client,
  resource: Resource<T>,
  wanted: T,
  there: 'change' | 'keep' = 'change',
): Promise<void> {
  try {
    await client.create(resource, wanted)
    return
  } catch (error) {
    if (!isAlreadyExists(error)) throw error
    if (there === 'keep') return
  }
  const { name = '', namespace } = wanted.metadata
  const { metadata, ...rest } = wanted
  const annotations = metadata.annotations ? { metadata: { annotations: metadata.annotations } } : {}
  await client.patch(
    resource,
    { name, ...(namespace ? { namespace } : {}) },
    { ...rest, ...annotations },
    { type: 'merge' },
  )
}
