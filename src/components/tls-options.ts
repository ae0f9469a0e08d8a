/** The flags that say how TLS is spoken, read for `#tls`. */
import { TrustplaneError } from '#errors.ts'
import { unknownCipherSuites } from '#tls/suites.ts'
import type { TlsVersion } from '#tls/types.ts'

/** k8s.io/component-base/cli/flag's names. The old ones are there to be seen failing audits, as in the originals. */
const tlsVersions: Readonly<Record<string, TlsVersion>> = {
  VersionTLS10: 'TLSv1',
  VersionTLS11: 'TLSv1.1',
  VersionTLS12: 'TLSv1.2',
  VersionTLS13: 'TLSv1.3',
}

/** @throws TrustplaneError TP_FLAG_INVALID */
export function tlsVersion(component: string, name: string): TlsVersion {
  const version = tlsVersions[name]
  if (version) return version
  throw new TrustplaneError('TP_FLAG_INVALID', `${component}: unknown tls version ${JSON.stringify(name)}`, {
    fix: `--tls-min-version is ${Object.keys(tlsVersions).join(', ')}`,
  })
}

/** `--tls-min-version`, `--tls-cipher-suites` and our own `--require-client-certificate`. @throws TrustplaneError */
export function tlsOptions(
  component: string,
  values: {
    'tls-min-version'?: string | undefined
    'tls-cipher-suites'?: string[] | undefined
    'require-client-certificate'?: boolean
  },
): { minVersion?: TlsVersion; cipherSuites?: readonly string[]; requireClientCertificate?: boolean } {
  const minVersion = tlsVersion(component, values['tls-min-version'] ?? 'VersionTLS12')
  const suites = values['tls-cipher-suites'] ?? []
  const [unknown] = unknownCipherSuites(suites)
  if (unknown !== undefined) {
    throw new TrustplaneError(
      'TP_FLAG_INVALID',
      `${component}: Cipher suite ${unknown} not supported or doesn't exist`,
      { fix: 'use Go’s names, such as TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256' },
    )
  }
  return {
    minVersion,
    ...(suites.length > 0 ? { cipherSuites: suites } : {}),
    ...(values['require-client-certificate'] ? { requireClientCertificate: true } : {}),
  }
}
