/**
 * Certificate bundles, as the programs that read them do: what each takes, leaves out, and stops at.
 * The measured differences: Go's scanner finds good blocks after broken ones, where OpenSSL stops.
 */
import { TrustplaneError } from '#errors.ts'
import { parseCertificate } from './certificate.ts'
import { CertificateParseError } from './errors.ts'
import { quote } from './go-format.ts'
import { type PemBlock, scanPem } from './pem-scanner.ts'
import type { Certificate, Voice } from './types.ts'

/**
 * - `client-go`: kubectl, kubelet, scheduler, controller-manager and proxy as clients: unparsable certificates are skipped; none left is an error;
 *   an empty file means the system's roots, which are none here
 * - `etcd`: etcd and etcdctl: every block is a certificate, whatever its label; the first that does not parse is fatal; none trusts nobody
 * - `kube-apiserver`: `--client-ca-file` and `--requestheader-client-ca-file`: the first unparsable certificate is fatal, an empty file too
 * - `crypto/tls`: x509.CertPool.AppendCertsFromPEM alone: what does not parse is skipped, and none is fine
 */
export type BundleReader = 'client-go' | 'etcd' | 'kube-apiserver' | 'crypto/tls'

export interface ReadBundleOptions {
  /** For the words and for `at`. */
  file?: string
  voice?: Voice
  /** What kube-apiserver calls it; default `client-ca-bundle` (the other one is `request-header`). */
  purpose?: string
}

/**
 * The trust anchors in a bundle.
 * @param text PEM; bytes outside blocks do not matter
 * @throws TrustplaneError TP_PEM_INVALID, whose message is the original's, without the place's prefix (`listener failed: `, `Error: `)
 */
export function readBundle(
  text: string,
  reader: BundleReader,
  { file, voice = 'go1.24', purpose = 'client-ca-bundle' }: ReadBundleOptions = {},
): readonly Certificate[] {
  const fail = (words: string): never => {
    throw new TrustplaneError('TP_PEM_INVALID', words, {
      fix: 'the bundle must hold one or more CA certificates in PEM blocks labelled CERTIFICATE',
      ...(file === undefined ? {} : { at: { file } }),
    })
  }
  switch (reader) {
    case 'crypto/tls':
      return parseTrustedCertificates(text, voice)
    case 'client-go': {
      const certificates = parseTrustedCertificates(text, voice)
      if (certificates.length > 0 || text === '') return certificates
      return fail(`unable to load root certificates: ${whyNone(text, voice)}`)
    }
    case 'etcd':
      return [...scanPem(text)].map(({ der }) => parse(der, voice, fail))
    case 'kube-apiserver': {
      const name = quote(`${purpose}::${file ?? ''}`)
      if (text === '') return fail(`missing content for CA bundle ${name}`)
      const failed = (words: string) => fail(`error loading CA bundle for ${name}: ${words}`)
      const certificates = [...scanPem(text)].filter(isTrusted).map(({ der }) => parse(der, voice, failed))
      if (certificates.length > 0) return certificates
      return failed('data does not contain any valid RSA or ECDSA certificates')
    }
  }
}

function parse(der: Uint8Array, voice: Voice, fail: (words: string) => never): Certificate {
  try {
    return parseCertificate(der, voice)
  } catch (error) {
    if (error instanceof CertificateParseError) return fail(error.message)
    throw error
  }
}

/** Label CERTIFICATE without PEM headers: what may be trusted. */
const isTrusted = ({ label, headers }: PemBlock) => label === 'CERTIFICATE' && Object.keys(headers).length === 0

/** CertPool.AppendCertsFromPEM. */
export function parseTrustedCertificates(text: string, voice: Voice): readonly Certificate[] {
  const certificates: Certificate[] = []
  for (const block of scanPem(text)) {
    if (!isTrusted(block)) continue
    try {
      certificates.push(parseCertificate(block.der, voice))
    } catch (error) {
      if (!(error instanceof CertificateParseError)) throw error
    }
  }
  return certificates
}

/** client-go's createErrorParsingCAData. */
function whyNone(text: string, voice: Voice): string {
  let end = 0
  for (const block of scanPem(text)) {
    ;({ end } = block)
    if (!isTrusted(block)) continue
    try {
      parseCertificate(block.der, voice)
    } catch (error) {
      if (error instanceof CertificateParseError) return `failed to parse certificate: ${error.message}`
      throw error
    }
  }
  // what follows the last block is no block
  return end < text.length ? 'unable to parse bytes as PEM block' : 'no valid certificate authority data seen'
}

/** The DER of every block labelled CERTIFICATE: what a server presents when this is its certificate file. */
export function certificateBlocks(text: string): Buffer[] {
  return [...scanPem(text)].filter(({ label }) => label === 'CERTIFICATE').map(({ der }) => der)
}

/** One PEM block, with a newline at its end. */
export function toPem(der: Uint8Array, label = 'CERTIFICATE'): string {
  const base64 = Buffer.from(der)
    .toString('base64')
    .replace(/.{64}(?=.)/g, '$&\n')
  return `-----BEGIN ${label}-----\n${base64}\n-----END ${label}-----\n`
}
