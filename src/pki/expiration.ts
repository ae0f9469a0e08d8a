/** When everything expires: the data and the table of `kubeadm certs check-expiration`. */
import { X509Certificate } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readKubeconfigIdentity } from './kubeconfig.ts'
import { ownCertificates } from './lookup.ts'
import type { Plan } from './types.ts'

/** kubeadm's output API, output.kubeadm.k8s.io/v1alpha3. */
interface CertificateExpiration {
  name: string
  /** RFC 3339; null when the certificate is missing. */
  expirationDate: string | null
  /** Seconds; negative when it has expired. */
  residualTime: number
  externallyManaged: boolean
  /** Not on authorities. */
  caName?: string
  missing: boolean
}

export interface CertificateExpirationInfo {
  kind: 'CertificateExpirationInfo'
  apiVersion: 'output.kubeadm.k8s.io/v1alpha3'
  certificates: CertificateExpiration[]
  certificateAuthorities: CertificateExpiration[]
}

/**
 * Both lists are sorted by name.
 * @param options.all also what kubeadm leaves out: the kubelets', the self-signed ones, kube-proxy's, monitoring's
 */
export async function checkExpiration(
  dir: string,
  plan: Plan,
  now: Date,
  options: { all?: boolean } = {},
): Promise<CertificateExpirationInfo> {
  const isExternal = (authority: string) => {
    const row = plan.authorities.find(({ name }) => name === authority)
    return row !== undefined && existsSync(join(dir, row.certificateFile)) && !existsSync(join(dir, row.keyFile))
  }
  const look = async (
    name: string,
    file: string,
    authority: string,
    caName?: string,
  ): Promise<CertificateExpiration> => {
    const certificate = await readCertificate(join(dir, file))
    if (!certificate) return { name, expirationDate: null, residualTime: 0, externallyManaged: false, missing: true }
    const expires = certificate.validToDate
    return {
      name,
      expirationDate: expires.toISOString().replace('.000Z', 'Z'),
      residualTime: Math.trunc((expires.getTime() - now.getTime()) / 1000),
      externallyManaged: isExternal(authority),
      ...(caName === undefined ? {} : { caName }),
      missing: false,
    }
  }
  const leaves = [...ownCertificates(plan), ...plan.kubeconfigs].filter(row => row.managed || options.all)
  const [certificates, certificateAuthorities] = await Promise.all([
    Promise.all(
      leaves.map(row =>
        look(
          row.name,
          'certificateFile' in row ? row.certificateFile : row.file,
          row.issuer,
          row.issuer === 'self' ? '' : row.issuer,
        ),
      ),
    ),
    Promise.all(plan.authorities.map(row => look(row.name, row.certificateFile, row.name))),
  ])
  return {
    kind: 'CertificateExpirationInfo',
    apiVersion: 'output.kubeadm.k8s.io/v1alpha3',
    certificates: certificates.toSorted(byName),
    certificateAuthorities: certificateAuthorities.toSorted(byName),
  }
}

/** Go compares bytes. */
const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)

/** The first certificate of a .crt file, or of a kubeconfig; undefined when there is none that can be read, as in kubeadm. */
async function readCertificate(path: string): Promise<X509Certificate | undefined> {
  try {
    const text = await readFile(path, 'utf8')
    if (path.endsWith('.crt')) return new X509Certificate(text)
    const { clientCertificate, clientCertificateFile } = readKubeconfigIdentity(text, path)
    // a kubelet's that has joined by itself
    return new X509Certificate(clientCertificate || (await readFile(clientCertificateFile ?? '', 'utf8')))
  } catch {
    return undefined
  }
}

/** As kubeadm prints it, byte for byte. */
export function expirationTable(info: CertificateExpirationInfo): string {
  const yesNo = (value: boolean) => (value ? 'yes' : 'no').padEnd(8)
  const certificates = info.certificates.map(row =>
    row.missing
      ? [`!MISSING! ${row.name}`, '', '', '', '']
      : [row.name, goDate(row), residual(row.residualTime), row.caName ?? '', yesNo(row.externallyManaged)],
  )
  const authorities = info.certificateAuthorities.map(row =>
    row.missing
      ? [`!MISSING! ${row.name}`, '', '', '']
      : [row.name, goDate(row), residual(row.residualTime), yesNo(row.externallyManaged)],
  )
  return [
    tabwriter([
      ['CERTIFICATE', 'EXPIRES', 'RESIDUAL TIME', 'CERTIFICATE AUTHORITY', 'EXTERNALLY MANAGED'],
      ...certificates,
    ]),
    tabwriter([['CERTIFICATE AUTHORITY', 'EXPIRES', 'RESIDUAL TIME', 'EXTERNALLY MANAGED'], ...authorities]),
  ].join('\n')
}

/** text/tabwriter with minwidth 10, padding 3: every column but the last is padded. */
function tabwriter(lines: readonly (readonly string[])[]): string {
  const widths = lines[0]!.map((_, column) => Math.max(10, ...lines.map(line => line[column]!.length + 3)))
  return lines
    .map(line =>
      line.map((cell, column) => (column === line.length - 1 ? cell : cell.padEnd(widths[column]!))).join(''),
    )
    .map(line => `${line}\n`)
    .join('')
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** Go's layout `Jan 02, 2006 15:04 MST`. */
function goDate({ expirationDate }: CertificateExpiration): string {
  const date = new Date(expirationDate!)
  const two = (n: number) => String(n).padStart(2, '0')
  const day = `${months[date.getUTCMonth()]} ${two(date.getUTCDate())}, ${date.getUTCFullYear()}`
  return `${day} ${two(date.getUTCHours())}:${two(date.getUTCMinutes())} UTC`
}

/** k8s.io/apimachinery's duration.ShortHumanDuration. */
export function residual(seconds: number): string {
  if (seconds < -1) return '<invalid>'
  if (seconds < 0) return '0s'
  if (seconds < 60) return `${seconds}s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`
  const hours = Math.floor(seconds / 3600)
  if (hours < 24) return `${hours}h`
  if (hours < 24 * 365) return `${Math.floor(hours / 24)}d`
  return `${Math.floor(hours / 24 / 365)}y`
}
