/** From what a peer presented to Go's verdict on it: in Go's order, with Go's words for the place, and the alert that Go sends. */
import type { Reason } from '#x509/reasons.ts'
import type { Certificate, Verdict, Voice } from '#x509/types.ts'
import { alertForVerdict, alerts } from './alerts.ts'
import type { Bundle } from './types.ts'
import { parseCertificate, verify } from './x509-shim.ts'

export interface Refused {
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
}

/** crypto/tls since Go 1.22: checkKeySize. */
const maxRsaBits = 8192

/**
 * A server's judgement of what a client presented: processCertsFromClient of Go's crypto/tls.
 * In `request` mode only what Go cannot parse is refused; the verdict goes on to HTTP.
 */
export function judgeClient(
  chain: readonly Uint8Array[],
  options: Place & { clientAuth: 'request' | 'require'; bundle: Bundle | undefined; tls13: boolean },
): Judgement {
  const { voice, now, bundle, clientAuth } = options
  if (chain.length === 0) {
    if (clientAuth === 'request') return { certificates: [] }
    return {
      certificates: [],
      refused: {
        reason: 'no-certificate',
        message: "tls: client didn't provide a certificate",
        alert: options.tls13 && voice !== 'go1.19' ? alerts.certificateRequired : alerts.badCertificate,
      },
    }
  }
  const parsed = parseAll(chain, voice, 'client')
  if (parsed.refused || !bundle) return parsed
  const verdict = verify({ chain: parsed.certificates, roots: bundle.roots, usage: 'clientAuth', now, voice })
  if (verdict.verdict === 'accept' || clientAuth === 'request') return { certificates: parsed.certificates, verdict }
  const prefix =
    voice === 'go1.19' ? 'tls: failed to verify client certificate: ' : 'tls: failed to verify certificate: '
  return {
    certificates: parsed.certificates,
    verdict,
    refused: {
      reason: verdict.reason,
      message: prefix + verdict.message,
      alert: alertForVerdict(verdict.message, voice),
    },
  }
}

/** A client's judgement of what a server presented: verifyServerCertificate of Go's crypto/tls. A Go client always says bad_certificate. */
export function judgeServer(
  chain: readonly Uint8Array[],
  options: Place & { bundle: Bundle; name: string; insecureSkipVerify?: boolean },
): Judgement {
  const { voice, now, bundle, name } = options
  const parsed = parseAll(chain, voice, 'server')
  if (parsed.refused || options.insecureSkipVerify) return parsed
  const verdict = verify({ chain: parsed.certificates, roots: bundle.roots, usage: 'serverAuth', name, now, voice })
  if (verdict.verdict === 'accept') return { certificates: parsed.certificates, verdict }
  return {
    certificates: parsed.certificates,
    verdict,
    refused: {
      reason: verdict.reason,
      // crypto/tls CertificateVerificationError came with Go 1.20
      message: voice === 'go1.19' ? verdict.message : `tls: failed to verify certificate: ${verdict.message}`,
      alert: alerts.badCertificate,
    },
  }
}

/** Every one of them, in order, needed or not: the first that cannot be parsed or is too large ends it. */
function parseAll(chain: readonly Uint8Array[], voice: Voice, from: 'client' | 'server'): Judgement {
  const certificates: Certificate[] = []
  for (const der of chain) {
    let certificate: Certificate
    try {
      certificate = parseCertificate(der)
    } catch (error) {
      const message = (error as Error).message
      return {
        certificates,
        refused: {
          reason: 'malformed',
          message:
            from === 'client'
              ? `tls: failed to parse client certificate: ${message}`
              : `tls: failed to parse certificate from server: ${message}`,
          alert: alerts.badCertificate,
        },
      }
    }
    certificates.push(certificate)
    if (voice !== 'go1.19' && rsaBits(certificate) > maxRsaBits) {
      return {
        certificates,
        refused: {
          reason: 'weak-key',
          message: `tls: ${from} sent certificate containing RSA key larger than ${maxRsaBits} bits`,
          alert: alerts.badCertificate,
        },
      }
    }
  }
  return { certificates }
}

/** Of the modulus; 0 for other keys. The SPKI of an RSA key is little more than the modulus, so most need no closer look. */
function rsaBits(certificate: Certificate): number {
  if (certificate.publicKeyAlgorithm !== 'RSA' || certificate.subjectPublicKeyInfo.length < 200) return 0
  return rsaModulusBits(certificate.subjectPublicKeyInfo)
}

/** SEQUENCE { AlgorithmIdentifier, BIT STRING { SEQUENCE { INTEGER modulus, INTEGER exponent } } }, already found well-formed by the parser. */
function rsaModulusBits(spki: Uint8Array): number {
  const header = (at: number): [start: number, length: number] => {
    const first = spki[at + 1]!
    if (first < 0x80) return [at + 2, first]
    let length = 0
    for (let i = 0; i < (first & 0x7f); i++) length = length * 256 + spki[at + 2 + i]!
    return [at + 2 + (first & 0x7f), length]
  }
  const [inside] = header(0)
  const [algorithm, algorithmLength] = header(inside)
  const [bits] = header(algorithm + algorithmLength)
  const [key] = header(bits + 1)
  let [modulus, length] = header(key)
  while (length > 0 && spki[modulus] === 0) {
    modulus++
    length--
  }
  return length === 0 ? 0 : (length - 1) * 8 + (32 - Math.clz32(spki[modulus]!))
}
