/** Go's x509.ParseCertificate: its order of checks, its words, its strictness. */
import { hash } from 'node:crypto'
import { constructed, context, DerReader, equalBytes, rightAlign, tag } from './der.ts'
import { CertificateParseError } from './errors.ts'
import { type ExtensionFields, parseExtensions } from './extensions.ts'
import { parseName } from './names.ts'
import { type AlgorithmIdentifier, parsePublicKey } from './public-keys.ts'
import { signatureAlgorithmOf } from './signature-algorithms.ts'
import { readTime } from './times.ts'
import type { Certificate, Voice } from './types.ts'

const fail = (what: string): never => {
  throw new CertificateParseError(`x509: ${what}`)
}

/**
 * Parses one certificate. `voice` matters where Go's parsers differ: negative serials, critical key identifiers, and some words.
 * @throws CertificateParseError with Go's message
 */
export function parseCertificate(der: Uint8Array, voice: Voice = 'go1.24'): Certificate {
  const input = new DerReader(der, voice)
  const whole = input.readWhole(tag.sequence) ?? fail('malformed certificate')
  const certificate = parseContent(whole, voice)
  // ParseCertificate looks at what follows only when the rest was fine
  if (whole.length !== der.length) fail('trailing data')
  return certificate
}

function parseContent(whole: Uint8Array, voice: Voice): Certificate {
  const input = new DerReader(whole, voice).enter(tag.sequence) ?? fail('malformed certificate')
  const rawTbs = input.readWhole(tag.sequence) ?? fail('malformed tbs certificate')
  const tbs = new DerReader(rawTbs, voice).enter(tag.sequence) ?? fail('malformed tbs certificate')

  const version = readVersion(tbs, voice)
  const serialNumber = tbs.integer() ?? fail('malformed serial number')
  if (serialNumber < 0n && voice !== 'go1.19') fail('negative serial number')

  const algorithmDer = tbs.read(tag.sequence) ?? fail('malformed signature algorithm identifier')
  const outerAlgorithm = input.read(tag.sequence) ?? fail('malformed algorithm identifier')
  if (!equalBytes(algorithmDer, outerAlgorithm)) fail("inner and outer signature algorithm identifiers don't match")
  const signatureAlgorithm = signatureAlgorithmOf(readAlgorithm(new DerReader(algorithmDer, voice)))

  const issuer = parseName(tbs.readWhole(tag.sequence) ?? fail('malformed issuer'), voice)
  const validity = tbs.enter(tag.sequence) ?? fail('malformed validity')
  const notBefore = readTime(validity, voice)
  const notAfter = readTime(validity, voice)
  // Go says issuer here too
  const subject = parseName(tbs.readWhole(tag.sequence) ?? fail('malformed issuer'), voice)

  const subjectPublicKeyInfo = tbs.readWhole(tag.sequence) ?? fail('malformed spki')
  const spki = new DerReader(subjectPublicKeyInfo, voice).enter(tag.sequence) ?? fail('malformed spki')
  const keyAlgorithmReader = spki.enter(tag.sequence) ?? fail('malformed public key algorithm identifier')
  const keyAlgorithm = readAlgorithm(keyAlgorithmReader)
  const publicKey = parsePublicKey(keyAlgorithm, spki.bitString() ?? fail('malformed subjectPublicKey'), voice)

  const fields = version === 1 ? undefined : readTail(tbs, version, voice)
  const signature = input.bitString() ?? fail('malformed signature')
  const {
    alternativeNames = [],
    rawSubjectAltName,
    nameConstraints,
    policies = [],
    policyMappings = [],
    requireExplicitPolicy,
    inhibitPolicyMapping,
    inhibitAnyPolicy,
    unhandledCriticalExtensions = [],
    ...extensions
  } = fields ?? {}
  return {
    der: whole,
    sha256: hash('sha256', whole, 'hex'),
    version,
    serialNumber,
    subject,
    issuer,
    notBefore: notBefore.time,
    notAfter: notAfter.time,
    subjectPublicKeyInfo,
    publicKeyAlgorithm: publicKey.algorithm,
    signatureAlgorithm: signatureAlgorithm.name,
    ...extensions,
    unhandledCriticalExtensions,
    details: {
      tbs: rawTbs,
      signature: rightAlign(signature),
      signatureAlgorithm,
      publicKey,
      notBefore,
      notAfter,
      alternativeNames,
      rawSubjectAltName,
      nameConstraints,
      policies,
      policyMappings,
      requireExplicitPolicy,
      inhibitPolicyMapping,
      inhibitAnyPolicy,
    },
  }
}

const largestInt = 2n ** 63n - 1n

function readVersion(tbs: DerReader, voice: Voice): 1 | 2 | 3 {
  const der = tbs.optional(constructed(0))
  if (der === null) return 1
  const inner = new DerReader(der ?? new Uint8Array(), voice)
  const version = inner.integer()
  if (version === undefined || !inner.empty || version < 0n || BigInt.asIntN(64, version) !== version)
    return fail('malformed version')
  // Go counts from one, and the largest int wraps round to one that has no extensions
  if (version === 0n || version === largestInt) return 1
  return version === 1n ? 2 : version === 2n ? 3 : fail('invalid version')
}

/** Go's parseAI. */
function readAlgorithm(reader: DerReader): AlgorithmIdentifier {
  const oid = reader.oid() ?? fail('malformed OID')
  if (reader.empty) return { oid, parameters: new Uint8Array() }
  const { whole } = reader.element() ?? fail('malformed parameters')
  return { oid, parameters: whole }
}

/** What comes after the key: unique ids (v2, v3) and extensions (v3). */
function readTail(tbs: DerReader, version: 2 | 3, voice: Voice): ExtensionFields | undefined {
  if (tbs.optional(context(1)) === undefined) fail('malformed issuerUniqueID')
  if (tbs.optional(context(2)) === undefined) fail('malformed subjectUniqueID')
  if (version !== 3) return undefined
  const extensions = tbs.optional(constructed(3))
  if (extensions === undefined) fail('malformed extensions')
  if (!extensions) return undefined
  return parseExtensions(new DerReader(extensions, voice).enter(tag.sequence) ?? fail('malformed extensions'), voice)
}
