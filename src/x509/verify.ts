/**
 * Go's verdict on a certificate chain: crypto/tls's reading of what the peer sent, then x509.Certificate.Verify.
 * Pure and synchronous; signatures are checked by node:crypto.
 */
import { parseCertificate } from './certificate.ts'
import { CertificatePool, poolOf } from './certificate-pool.ts'
import { checkCertificate, findChains } from './chains.ts'
import { revocation } from './crl.ts'
import { CertificateParseError } from './errors.ts'
import { type Failure, failure } from './failure.ts'
import { verifyHostname } from './hostname.ts'
import { certificateBlocks, parseTrustedCertificates } from './pem.ts'
import { policiesAreValid } from './policies.ts'
import type { Certificate, Usage, Verdict, VerifyOptions, Voice } from './types.ts'

/**
 * Says of a chain what Go's crypto/x509 says of it inside Kubernetes and etcd, in its words. Opens nothing, and has no clock of its own.
 * @example
 * const verdict = verify({ chain, roots: ca, usage: 'serverAuth', name: 'localhost', now: new Date() })
 * if (verdict.verdict === 'reject') console.log(verdict.reason, verdict.message)
 */
export function verify(options: VerifyOptions): Verdict {
  const failed = (refusal: Failure, parsing = false): Verdict => ({
    verdict: 'reject',
    ...refusal,
    ...(parsing ? { parsing } : {}),
  })
  const { voice = 'go1.24' } = options
  let chain: readonly Certificate[]
  try {
    chain = readChain(options.chain, voice)
  } catch (error) {
    if (error instanceof CertificateParseError) return failed(failure('malformed', error.message), true)
    throw error
  }
  const [leaf] = chain
  if (!leaf) return failed(noCertificate(options.usage))
  const tooLarge = checkKeySizes(chain, options.usage, voice)
  if (tooLarge) return failed(tooLarge)
  const verified = verifyLeaf(leaf, chain, options, voice)
  if (!Array.isArray(verified)) return failed(verified)
  return revocation(chain, options.crls ?? []) ?? { verdict: 'accept', chains: verified }
}

/** Certificate.Verify. */
function verifyLeaf(
  leaf: Certificate,
  chain: readonly Certificate[],
  { roots, intermediates, usage, name, now }: VerifyOptions,
  voice: Voice,
): Certificate[][] | Failure {
  const invalid = checkCertificate(leaf, 'leaf', [], { now, voice })
  if (invalid) return invalid
  const misnamed = name ? verifyHostname(leaf, name, voice) : undefined
  if (misnamed) return misnamed
  const rootPool =
    typeof roots === 'string' ? new CertificatePool(readTrusted(roots, voice)) : trustedPool(roots, voice)
  const others = intermediates ? readTrusted(intermediates, voice) : []
  const search = {
    roots: rootPool,
    intermediates: new CertificatePool([...chain.slice(1), ...others]),
    now,
    voice,
    signatureChecks: 0,
  }
  const chains = rootPool.contains(leaf) ? [[leaf]] : findChains(leaf, search)
  if (!Array.isArray(chains)) return chains
  return checkPoliciesAndUsage(leaf, chains, usage, voice)
}

function checkPoliciesAndUsage(
  leaf: Certificate,
  chains: Certificate[][],
  usage: Usage,
  voice: Voice,
): Certificate[][] | Failure {
  const valid = voice === 'go1.19' ? chains : chains.filter(policiesAreValid)
  if (valid.length === 0) {
    const message = 'x509: no valid chains built: all candidate chains have invalid policies'
    return failure('wrong-usage', message, leaf)
  }
  const usable = valid.filter(chain => isChainForUsage(chain, usage))
  if (usable.length > 0) return usable
  const dropped = chains.length - valid.length
  const message =
    dropped === 0
      ? 'x509: certificate specifies an incompatible key usage'
      : `x509: no valid chains built: ${valid.length} chains with incompatible key usage, ${dropped} chains with invalid policies`
  return failure('wrong-usage', message, leaf)
}

/** checkChainForKeyUsage: extended key usage nests through the chain, root included; absent or empty is no limit. */
function isChainForUsage(chain: readonly Certificate[], usage: Usage): boolean {
  if (usage === 'any') return true
  return chain.every(
    ({ extKeyUsage = [] }) =>
      extKeyUsage.length === 0 || extKeyUsage.includes('anyExtendedKeyUsage') || extKeyUsage.includes(usage),
  )
}

const noCertificate = (usage: Usage): Failure =>
  usage === 'serverAuth'
    ? failure('no-certificate', 'tls: received empty certificates message')
    : { ...failure('no-certificate', "tls: client didn't provide a certificate"), alert: 116 }

/** crypto/tls's limit on every certificate of the chain (CVE-2023-29409); Go 1.19.8 has none. */
function checkKeySizes(chain: readonly Certificate[], usage: Usage, voice: Voice): Failure | undefined {
  if (voice === 'go1.19' || usage === 'any') return undefined
  const tooLarge = chain.find(({ details: { publicKey } }) => publicKey.algorithm === 'RSA' && publicKey.bits > 8192)
  if (!tooLarge) return undefined
  const end = usage === 'serverAuth' ? 'server' : 'client'
  return failure('weak-key', `tls: ${end} sent certificate containing RSA key larger than 8192 bits`, tooLarge)
}

/** Everything that was presented must parse. */
function readChain(chain: VerifyOptions['chain'], voice: Voice): readonly Certificate[] {
  if (typeof chain === 'string') return certificateBlocks(chain).map(der => parseCertificate(der, voice))
  return chain.map(certificate => (isDer(certificate) ? parseCertificate(certificate, voice) : certificate))
}

const isDer = (certificate: Uint8Array | Certificate): certificate is Uint8Array => certificate instanceof Uint8Array

/** CertPool.AppendCertsFromPEM: what does not parse is left out. */
function readTrusted(certificates: VerifyOptions['roots'], voice: Voice): readonly Certificate[] {
  if (typeof certificates === 'string') return parseTrustedCertificates(certificates, voice)
  const parsed: Certificate[] = []
  for (const certificate of certificates) {
    if (!isDer(certificate)) {
      parsed.push(certificate)
      continue
    }
    try {
      parsed.push(parseCertificate(certificate, voice))
    } catch (error) {
      if (!(error instanceof CertificateParseError)) throw error
    }
  }
  return parsed
}

/** Parsed bundles keep their pool from one verdict to the next. */
function trustedPool(roots: readonly Uint8Array[] | readonly Certificate[], voice: Voice): CertificatePool {
  const isParsed = (list: readonly (Uint8Array | Certificate)[]): list is readonly Certificate[] => !list.some(isDer)
  return isParsed(roots) ? poolOf(roots) : new CertificatePool(readTrusted(roots, voice))
}
