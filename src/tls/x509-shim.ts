/**
 * Stands in for #x509 until it has landed: node:crypto's own reading, a plain chain search. To be deleted.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import type { Certificate, DistinguishedName, Verdict, VerifyOptions } from '#x509/types.ts'

const native = new WeakMap<Certificate, X509Certificate>()

function nameOf(text: string): DistinguishedName {
  const attributes = text
    .split('\n')
    .filter(Boolean)
    .map(line => ({ type: line.slice(0, line.indexOf('=')), value: line.slice(line.indexOf('=') + 1) }))
  return {
    der: Buffer.from(text),
    attributes,
    commonName: attributes.findLast(a => a.type === 'CN')?.value ?? '',
    organizations: attributes.filter(a => a.type === 'O').map(a => a.value),
    toString: () =>
      [...attributes]
        .reverse()
        .map(a => `${a.type}=${a.value}`)
        .join(','),
  }
}

export function parseCertificate(der: Uint8Array): Certificate {
  let x: X509Certificate
  try {
    x = new X509Certificate(der)
  } catch (cause) {
    throw new Error('x509: malformed certificate', { cause })
  }
  const sans = (x.subjectAltName ?? '').split(', ').filter(Boolean)
  const pick = (prefix: string) => sans.filter(s => s.startsWith(prefix)).map(s => s.slice(prefix.length))
  const usages: Record<string, string> = { '1.3.6.1.5.5.7.3.1': 'serverAuth', '1.3.6.1.5.5.7.3.2': 'clientAuth' }
  const certificate = {
    der: x.raw,
    sha256: x.fingerprint256.replaceAll(':', '').toLowerCase(),
    version: 3,
    serialNumber: BigInt(`0x${x.serialNumber || '0'}`),
    subject: nameOf(x.subject ?? ''),
    issuer: nameOf(x.issuer ?? ''),
    notBefore: new Date(x.validFrom),
    notAfter: new Date(x.validTo),
    subjectPublicKeyInfo: x.publicKey.export({ type: 'spki', format: 'der' }),
    publicKeyAlgorithm: x.publicKey.asymmetricKeyType === 'rsa' ? 'RSA' : 'ECDSA',
    signatureAlgorithm: '',
    basicConstraints: { isCa: x.ca },
    ...(x.keyUsage ? { extKeyUsage: (x.keyUsage as unknown as string[]).map(u => usages[u] ?? u) } : {}),
    ...(sans.length > 0
      ? {
          subjectAltName: {
            dnsNames: pick('DNS:'),
            ipAddresses: pick('IP Address:').map(text =>
              text.includes(':') ? Buffer.alloc(16) : Buffer.from(text.split('.').map(Number)),
            ),
            emailAddresses: pick('email:'),
            uris: pick('URI:'),
          },
        }
      : {}),
    unhandledCriticalExtensions: [],
  } as unknown as Certificate
  native.set(certificate, x)
  return certificate
}

export function pemBlocks(text: string): { label: string; der: Uint8Array }[] {
  return [...text.matchAll(/-----BEGIN ([^-]+)-----([\s\S]*?)-----END \1-----/g)].map(m => ({
    label: m[1]!,
    der: Buffer.from(m[2]!, 'base64'),
  }))
}

function list(input: VerifyOptions['chain']): Certificate[] {
  if (typeof input === 'string') return pemBlocks(input).map(b => parseCertificate(b.der))
  return input.map(c => (c instanceof Uint8Array ? parseCertificate(c) : c))
}

export function verify(options: VerifyOptions): Verdict {
  const chain = list(options.chain)
  const roots = list(options.roots)
  const leaf = chain[0]!
  const reject = (reason: Extract<Verdict, { verdict: 'reject' }>['reason'], message: string) =>
    ({
      verdict: 'reject',
      reason,
      message: `x509: ${message}`,
      certificate: leaf,
    }) as Verdict
  const now = options.now.toISOString().replace(/\.\d+Z/, 'Z')
  const dates = (c: Certificate) =>
    options.now > c.notAfter
      ? reject(
          'expired',
          `certificate has expired or is not yet valid: current time ${now} is after ${c.notAfter.toISOString().replace('.000Z', 'Z')}`,
        )
      : options.now < c.notBefore
        ? reject(
            'not-yet-valid',
            `certificate has expired or is not yet valid: current time ${now} is before ${c.notBefore.toISOString().replace('.000Z', 'Z')}`,
          )
        : undefined
  const late = dates(leaf)
  if (late) return late
  if (options.name !== undefined && options.usage !== 'clientAuth') {
    const x = native.get(leaf)!
    const isIp = /^[\d.]+$|:/.test(options.name)
    if (isIp ? !x.checkIP(options.name) : !x.checkHost(options.name, { subject: 'never' })) {
      const names = leaf.subjectAltName?.dnsNames ?? []
      const ips = (leaf.subjectAltName?.ipAddresses ?? []).map(ip => ip.join('.'))
      if (isIp && ips.length === 0)
        return reject(
          'no-san',
          `cannot validate certificate for ${options.name} because it doesn't contain any IP SANs`,
        )
      const valid = isIp ? ips : names
      return reject(
        'name-mismatch',
        valid.length === 0
          ? `certificate is not valid for any names, but wanted to match ${options.name}`
          : `certificate is valid for ${valid.join(', ')}, not ${options.name}`,
      )
    }
  }
  const walk = (path: Certificate[]): Certificate[] | undefined => {
    const last = path.at(-1)!
    if (roots.some(r => r.sha256 === last.sha256)) return path
    for (const c of [...roots, ...chain.slice(1)]) {
      const signer = native.get(c)!
      if (path.includes(c) || !native.get(last)!.checkIssued(signer)) continue
      if (!native.get(last)!.verify(signer.publicKey)) continue
      const found = walk([...path, c])
      if (found) return found
    }
    return undefined
  }
  const found = walk([leaf])
  if (!found) return reject('unknown-authority', 'certificate signed by unknown authority')
  if (options.usage !== 'any') {
    const usage = options.usage
    if (found.some(c => c.extKeyUsage && c.extKeyUsage.length > 0 && !c.extKeyUsage.includes(usage)))
      return reject('wrong-usage', 'certificate specifies an incompatible key usage')
  }
  return { verdict: 'accept', chains: [found] }
}

export type BundleReader = 'client-go' | 'etcd' | 'kube-apiserver'

export function readBundle(text: string, reader: BundleReader, name: string): Certificate[] {
  if (reader === 'kube-apiserver' && text === '') throw new Error(`missing content for CA bundle "${name}"`)
  const blocks = pemBlocks(text).filter(b => reader === 'etcd' || b.label === 'CERTIFICATE')
  const roots: Certificate[] = []
  for (const block of blocks) {
    try {
      roots.push(parseCertificate(block.der))
    } catch (error) {
      if (reader === 'etcd') throw error
      if (reader === 'kube-apiserver')
        throw new Error(`error loading CA bundle for "${name}": ${(error as Error).message}`)
    }
  }
  if (roots.length === 0 && reader === 'client-go' && text !== '')
    throw new Error('unable to load root certificates: unable to parse bytes as PEM block')
  return roots
}

export function parseKeyPair(cert: string, key: string): { certificate: string; key: string; chain: Certificate[] } {
  const certBlocks = pemBlocks(cert).filter(b => b.label === 'CERTIFICATE')
  const keyBlock = /-----BEGIN ([A-Z ]*PRIVATE KEY)-----[\s\S]*?-----END \1-----\n?/.exec(key)?.[0]
  if (certBlocks.length === 0) throw new Error('tls: failed to find any PEM data in certificate input')
  if (!keyBlock) throw new Error('tls: failed to find any PEM data in key input')
  const chain = certBlocks
    .map((b, i) => (i === 0 ? parseCertificate(b.der) : safeParse(b.der)))
    .filter(c => c !== undefined)
  let privateKey: ReturnType<typeof createPrivateKey>
  try {
    privateKey = createPrivateKey(keyBlock)
  } catch (cause) {
    throw new Error('tls: failed to parse private key', { cause })
  }
  if (!native.get(chain[0]!)!.checkPrivateKey(privateKey)) throw new Error('tls: private key does not match public key')
  return {
    certificate: certBlocks
      .map(
        b =>
          `-----BEGIN CERTIFICATE-----\n${Buffer.from(b.der)
            .toString('base64')
            .replace(/(.{64})(?=.)/g, '$1\n')}\n-----END CERTIFICATE-----\n`,
      )
      .join(''),
    key: keyBlock,
    chain,
  }
}

function safeParse(der: Uint8Array): Certificate | undefined {
  try {
    return parseCertificate(der)
  } catch {
    return undefined
  }
}
