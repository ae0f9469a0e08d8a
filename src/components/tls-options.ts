/** The flags that say how TLS is spoken, read for `#tls`. */
import { TrustplaneError } from '#errors.ts'
import { unknownCipherSuites } from '#tls/suites.ts'

/** `--tls-min-version`, `--tls-cipher-suites` and our own `--require-client-certificate`. @throws TrustplaneError */
export function tlsOptions(
  component: string,
  values: {
    'tls-min-version'?: string | undefined
    'tls-cipher-suites'?: string[] | undefined
    'require-client-certificate'?: boolean
  },
): { minVersion?: 'TLSv1.2' | 'TLSv1.3'; cipherSuites?: readonly string[]; requireClientCertificate?: boolean } {
  const version = values['tls-min-version'] ?? 'VersionTLS12'
  if (version !== 'VersionTLS12' && version !== 'VersionTLS13') {
    throw new TrustplaneError('TP_FLAG_INVALID', `${component}: unknown tls version ${JSON.stringify(version)}`, {
      fix: '--tls-min-version is VersionTLS12 or VersionTLS13',
    })
  }
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
    minVersion: version === 'VersionTLS13' ? 'TLSv1.3' : 'TLSv1.2',
    ...(suites.length > 0 ? { cipherSuites: suites } : {}),
    ...(values['require-client-certificate'] ? { requireClientCertificate: true } : {}),
  }
}
