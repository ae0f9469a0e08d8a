/** One side's TLS settings (clients or peers), from etcd's flags to what listeners and dialers take. Source: etcd's pkg/transport/listener.go. */
import { readFileSync, statSync } from 'node:fs'
import { isIP } from 'node:net'
import { TrustplaneError } from '#errors.ts'
import type { Log } from '#log.ts'
import { fileBundle, memoryBundle } from '#tls/bundle.ts'
import { fileIdentity, memoryIdentity } from '#tls/identity.ts'
import { unknownCipherSuites } from '#tls/suites.ts'
import type { BundleSource, IdentitySource, ListenOptions } from '#tls/types.ts'
import { parseRevocationList } from '#x509/crl.ts'
import type { RevocationList } from '#x509/types.ts'
import type { EtcdFlags } from './config.ts'
import type { ListenUrl } from './urls.ts'

export interface SideFlags {
  certFile: string | undefined
  keyFile: string | undefined
  /** With which this side dials, when it is not the serving pair (3.5). */
  dialCertFile: string | undefined
  dialKeyFile: string | undefined
  clientCertAuth: boolean
  trustedCaFile: string | undefined
  crlFile: string | undefined
  /** Make a certificate when none is given. */
  autoTls: boolean
}

export const clientSide = (values: EtcdFlags): SideFlags => ({
  certFile: values['cert-file'],
  keyFile: values['key-file'],
  dialCertFile: values['client-cert-file'],
  dialKeyFile: values['client-key-file'],
  clientCertAuth: values['client-cert-auth'],
  trustedCaFile: values['trusted-ca-file'],
  crlFile: values['client-crl-file'],
  autoTls: values['auto-tls'],
})

export const peerSide = (values: EtcdFlags): SideFlags => ({
  certFile: values['peer-cert-file'],
  keyFile: values['peer-key-file'],
  dialCertFile: values['peer-client-cert-file'],
  dialKeyFile: values['peer-client-key-file'],
  clientCertAuth: values['peer-client-cert-auth'],
  trustedCaFile: values['peer-trusted-ca-file'],
  crlFile: values['peer-crl-file'],
  autoTls: values['peer-auto-tls'],
})

export interface Security {
  identity: IdentitySource
  /** Presented when this side dials. */
  dialIdentity: IdentitySource
  /** What the other end is checked with; without a CA file nobody is trusted (Go would take the system's roots). */
  bundle: BundleSource
  clientAuth: ListenOptions['clientAuth']
  crl?: () => RevocationList | undefined
  close(): void
}

/**
 * What the https:// URLs of a side need; undefined when there are none and no certificate is given.
 * @throws Error `listener failed: …` in etcd's words, or what etcd says when a URL's scheme and the flags do not go together
 */
export async function securityFor(
  name: 'client' | 'peer',
  urls: readonly ListenUrl[],
  side: SideFlags,
  log: Log,
): Promise<Security | undefined> {
  // etcd's TLSInfo.Empty
  const isEmpty = !side.certFile && !side.keyFile
  for (const { secure, text } of urls) {
    if (secure && isEmpty && !side.autoTls) {
      const flags = name === 'client' ? '--cert-file, --key-file' : '--peer-cert-file, --peer-key-file'
      throw new Error(`TLS key/cert (${flags}) must be provided for ${name} url ${text} with HTTPS scheme`)
    }
    if (secure) continue
    const field = { [`${name}-url`]: text }
    if (!isEmpty) log.warn('scheme is HTTP while key and cert files are present; ignoring key and cert files', field)
    if (side.clientCertAuth) {
      const flag = name === 'client' ? '--client-cert-auth' : '--peer-client-cert-auth'
      log.warn(`scheme is HTTP while ${flag} is enabled; ignoring client cert auth for this URL`, field)
    }
  }
  if (isEmpty && !side.autoTls) return undefined
  try {
    return openSecurity(side, isEmpty ? await ownIdentity(urls) : undefined, log)
  } catch (cause) {
    throw new Error(`listener failed: ${(cause as Error).message}`, { cause })
  }
}

/** Certificates are read again for every handshake, the CA only at start, the CRL for every connection. */
function openSecurity(side: SideFlags, own: IdentitySource | undefined, log: Log): Security {
  const { certFile = '', keyFile = '', trustedCaFile, crlFile } = side
  if (!own && (!certFile || !keyFile)) {
    throw new Error(`KeyFile and CertFile must both be present[key: ${keyFile}, cert: ${certFile}]`)
  }
  const identity = own ?? fileIdentity({ certFile, keyFile, reload: 'handshake', log })
  const dialIdentity =
    side.dialCertFile && side.dialKeyFile
      ? fileIdentity({ certFile: side.dialCertFile, keyFile: side.dialKeyFile, reload: 'handshake', log })
      : identity
  const bundle = trustedCaFile
    ? fileBundle({ file: trustedCaFile, reader: 'etcd', reload: 'start', log })
    : memoryBundle([])
  return {
    identity,
    dialIdentity,
    bundle,
    // a CA file alone asks for certificates, too
    clientAuth: side.clientCertAuth || trustedCaFile ? 'require' : 'none',
    ...(crlFile ? { crl: crlReader(crlFile, log) } : {}),
    close() {
      identity.close()
      dialIdentity.close()
      bundle.close()
    },
  }
}

/** `--auto-tls`: a certificate that signs itself, for the hosts of the URLs, for a year (transport.SelfCert). */
async function ownIdentity(urls: readonly ListenUrl[]): Promise<IdentitySource> {
  const [{ generateKey, privateKeyPem }, { issueSelfSigned }] = await Promise.all([
    import('#pki/keys.ts'),
    import('#pki/self-signed.ts'),
  ])
  const key = await generateKey('ECDSA-P256')
  const hosts = [...new Set(urls.map(({ host }) => host))]
  const notBefore = new Date()
  const certificate = await issueSelfSigned(
    {
      subject: { commonName: 'etcd', organizations: ['etcd'] },
      notBefore,
      notAfter: new Date(notBefore.getTime() + 365 * 86_400_000),
      isCa: false,
      keyUsages: ['digitalSignature', 'keyEncipherment'],
      extKeyUsages: ['serverAuth', 'clientAuth'],
      dnsNames: hosts.filter(host => isIP(host) === 0),
      ipAddresses: hosts.filter(host => isIP(host) !== 0),
    },
    key,
  )
  return memoryIdentity(certificate, privateKeyPem(key))
}

/** etcd reads the file for every connection; here it is read when it changed. A file that cannot be read lets nobody in, as in etcd. */
function crlReader(file: string, log: Log): () => RevocationList {
  let state = ''
  let list: RevocationList | undefined
  return () => {
    try {
      const { mtimeMs, size, ino } = statSync(file)
      const now = `${mtimeMs} ${size} ${ino}`
      if (!list || now !== state) {
        list = parseRevocationList(readFileSync(file))
        state = now
      }
      return list
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      const problem = code === 'ENOENT' ? `open ${file}: no such file or directory` : message
      log.warn('failed to read the certificate revocation list', { 'crl-file': file, error: problem })
      return { has: () => true, problem }
    }
  }
}

/** `--tls-min-version` and the like, and `--cipher-suites`, for both sides. @throws TrustplaneError TP_FLAG_INVALID */
export function protocolOptions(values: EtcdFlags): Pick<ListenOptions, 'minVersion' | 'maxVersion' | 'cipherSuites'> {
  const cipherSuites = values['cipher-suites'] ?? []
  const unknown = unknownCipherSuites(cipherSuites)
  if (unknown.length > 0) {
    throw new TrustplaneError('TP_FLAG_INVALID', `etcd: unexpected TLS cipher suite "${unknown[0]}"`, {
      fix: "give Go's names, as TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    })
  }
  const minVersion = tlsVersion('tls-min-version', values['tls-min-version'])
  const maxVersion = tlsVersion('tls-max-version', values['tls-max-version'])
  if (minVersion && maxVersion && minVersion > maxVersion) {
    throw new TrustplaneError(
      'TP_FLAG_INVALID',
      `etcd: min version (${values['tls-min-version']}) is greater than max version (${values['tls-max-version']})`,
      {
        fix: 'raise --tls-max-version or lower --tls-min-version',
      },
    )
  }
  return {
    ...(minVersion ? { minVersion } : {}),
    ...(maxVersion ? { maxVersion } : {}),
    ...(cipherSuites.length > 0 ? { cipherSuites } : {}),
  }
}

function tlsVersion(flag: string, text: string | undefined): 'TLSv1.2' | 'TLSv1.3' | undefined {
  if (text === undefined || text === '') return undefined
  if (text === 'TLS1.2') return 'TLSv1.2'
  if (text === 'TLS1.3') return 'TLSv1.3'
  throw new TrustplaneError('TP_FLAG_INVALID', `etcd: unexpected TLS version "${text}" for --${flag}`, {
    fix: 'TLS1.2 or TLS1.3',
  })
}
