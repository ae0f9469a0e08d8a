/** From what a peer presented to Go's verdict on it: in Go's order, with Go's words for the place, and the alert that Go sends. */
import { alertFor } from '#x509/alerts.ts'
import { createVerdictCache } from '#x509/cache.ts'
import { CertificateParseError } from '#x509/errors.ts'
import type { Reason } from '#x509/reasons.ts'
import type { Certificate, Verdict, Voice } from '#x509/types.ts'
import { verify } from '#x509/verify.ts'
import { handshakeKeyAlert, handshakeKeyError, type Judge, placedMessage } from '#x509/words.ts'
import type { Bundle } from './types.ts'

interface Refused {
  reason: Reason
  /** With the prefix of the place: `tls: failed to verify certificate: x509: …`. */
  message: string
  alert: number
}

export interface Judgement {
  /** As sent, as far as they could be parsed. */
  certificates: Certificate[]
  verdict?: Verdict
  refused?: Refused
}

interface Place {
  voice: Voice
  now: Date
  tlsVersion: string
}

/** The process's own: what it rests on is looked at each time, so listeners and dialers may share it. */
const cache = createVerdictCache()

/**
 * A server's judgement of what a client presented: processCertsFromClient of Go's crypto/tls.
 * In `request` mode only what Go cannot parse is refused; the verdict goes on to HTTP.
 */
export function judgeClient(
  chain: readonly Uint8Array[],
  options: Place & { clientAuth: 'request' | 'require'; bundle: Bundle | undefined },
): Judgement {
  const { voice, now, bundle, clientAuth } = options
  const judge: Judge & Place = { end: 'server', ...options }
  if (chain.length === 0) {
    if (clientAuth === 'request') return { certificates: [] }
    return refusal([], verify({ chain: [], roots: [], usage: 'clientAuth', now, voice }), judge)
  }
  const parsed = parseAll(chain, judge, 'clientAuth')
  if (parsed.refused) return parsed
  // who only asks has others judge it; who requires one and was given no bundle trusts nobody
  if (!bundle && clientAuth === 'request') return signed(parsed, judge)
  const { certificates } = parsed
  const verdict = cache.verify({ chain: certificates, roots: bundle?.roots ?? [], usage: 'clientAuth', now, voice })
  if (verdict.verdict === 'reject' && clientAuth === 'require') return refusal(certificates, verdict, judge)
  return signed({ certificates, verdict }, judge)
}

/** A client's judgement of what a server presented: verifyServerCertificate of Go's crypto/tls. */
export function judgeServer(
  chain: readonly Uint8Array[],
  options: Place & { bundle: Bundle; name: string; insecureSkipVerify?: boolean },
): Judgement {
  const { voice, now, bundle, name } = options
  const judge: Judge & Place = { end: 'client', ...options }
  const parsed = parseAll(chain, judge, 'serverAuth')
  if (parsed.refused || options.insecureSkipVerify) return parsed.refused ? parsed : signed(parsed, judge)
  const { certificates } = parsed
  const verdict = cache.verify({ chain: certificates, roots: bundle.roots, usage: 'serverAuth', name, now, voice })
  if (verdict.verdict === 'reject') return refusal(certificates, verdict, judge)
  return signed({ certificates, verdict }, judge)
}

/** Every one of them, in order, needed or not: what Go cannot parse, or an RSA key that is too large, ends it in every mode. */
function parseAll(chain: readonly Uint8Array[], judge: Judge & Place, usage: 'clientAuth' | 'serverAuth'): Judgement {
  const certificates: Certificate[] = []
  try {
    for (const der of chain) certificates.push(cache.parse(der, judge.voice))
  } catch (error) {
    if (!(error instanceof CertificateParseError)) throw error
    // the same again, for the words
    return refusal(certificates, verify({ chain, roots: [], usage, now: judge.now, voice: judge.voice }), judge)
  }
  const large = certificates.some(
    ({ details }) => details.publicKey.algorithm === 'RSA' && details.publicKey.bits > 8192,
  )
  if (large && judge.voice !== 'go1.19') {
    return refusal(
      certificates,
      verify({ chain: certificates, roots: [], usage, now: judge.now, voice: judge.voice }),
      judge,
    )
  }
  return { certificates }
}

/** What is left when the chain is fine: keys with which crypto/tls verifies nothing. */
function signed(judgement: Judgement, judge: Judge): Judgement {
  const [leaf] = judgement.certificates
  const message = leaf && handshakeKeyError(leaf, judge)
  if (!message) return judgement
  return { ...judgement, refused: { reason: 'weak-key', message, alert: handshakeKeyAlert(leaf) } }
}

function refusal(certificates: Certificate[], verdict: Verdict, judge: Judge & Place): Judgement {
  if (verdict.verdict === 'accept') return { certificates, verdict }
  return {
    certificates,
    verdict,
    refused: {
      reason: verdict.reason,
      message: placedMessage(verdict, judge),
      alert: alertFor(verdict, judge),
    },
  }
}
