/** Go's x509.ParseCertificateRequest and CertificateRequest.CheckSignature: what a PKCS#10 request (RFC 2986) asks for. */
import { constants, type KeyObject, verify as verifySignature } from 'node:crypto'
import { constructed, DerReader, rightAlign, tag } from './der.ts'
import { CertificateParseError } from './errors.ts'
import { parseExtensions } from './extensions.ts'
import { ipToString } from './ip-addresses.ts'
import { keyObjectOf } from './key-objects.ts'
import { parseName } from './names.ts'
import { type PublicKey, parsePublicKey } from './public-keys.ts'
import { type SignatureAlgorithm, signatureAlgorithmOf } from './signature-algorithms.ts'
import type { DistinguishedName } from './types.ts'

export interface CertificateRequest {
  subject: DistinguishedName
  publicKey: KeyObject
  dnsNames: readonly string[]
  ipAddresses: readonly string[]
  emailAddresses: readonly string[]
  uris: readonly string[]
  /** What was signed, and how. */
  signed: { content: Uint8Array; algorithm: SignatureAlgorithm; signature: Uint8Array }
}

/** 1.2.840.113549.1.9.14 (RFC 2985 §5.4.2) */
const extensionRequest = '1.2.840.113549.1.9.14'

const fail = (what: string): never => {
  throw new CertificateParseError(what)
}
/** Go reads a request with encoding/asn1, whose errors say little more than this. */
const malformed = () => fail("asn1: structure error: tags don't match")

/** @throws CertificateParseError with Go's message */
export function parseCertificateRequest(der: Uint8Array): CertificateRequest {
  const input = new DerReader(der)
  const request = input.enter(tag.sequence) ?? malformed()
  if (!input.empty) fail('asn1: syntax error: trailing data')
  const content = request.readWhole(tag.sequence) ?? malformed()
  const algorithm = readAlgorithm(request.enter(tag.sequence))
  const signature = request.bitString() ?? malformed()

  const info = new DerReader(content).enter(tag.sequence) ?? malformed()
  if (info.integer() === undefined) malformed()
  const subject = parseName(info.readWhole(tag.sequence) ?? malformed(), 'go1.24')
  const subjectPublicKeyInfo = info.readWhole(tag.sequence) ?? malformed()
  const spki = new DerReader(subjectPublicKeyInfo).enter(tag.sequence)
  const publicKey = parsePublicKey(readAlgorithm(spki?.enter(tag.sequence)), spki?.bitString() ?? malformed(), 'go1.24')
  const names = readNames(new DerReader(info.optional(constructed(0)) ?? new Uint8Array()))
  return {
    subject,
    publicKey: keyOf(publicKey),
    dnsNames: names?.dnsNames ?? [],
    ipAddresses: names?.ipAddresses.map(ipToString) ?? [],
    emailAddresses: names?.emailAddresses ?? [],
    uris: names?.uris ?? [],
    signed: { content, algorithm: signatureAlgorithmOf(algorithm), signature: rightAlign(signature) },
  }
}

/** Go's CheckSignature: undefined when the request was signed with the key that it is about. */
export function checkRequestSignature({ publicKey, signed }: CertificateRequest): string | undefined {
  const { algorithm, content, signature } = signed
  if (algorithm.hash === 'md5' || algorithm.hash === 'sha1')
    return `x509: cannot verify signature: insecure algorithm ${algorithm.name}`
  if (!algorithm.hash && algorithm.keyAlgorithm !== 'Ed25519')
    return 'x509: cannot verify signature: algorithm unimplemented'
  const key = algorithm.pss
    ? { key: publicKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
    : publicKey
  try {
    if (verifySignature(algorithm.hash ?? null, content, key, signature)) return undefined
  } catch {
    // OpenSSL cannot read the signature: it does not hold
  }
  return algorithm.keyAlgorithm === 'RSA'
    ? 'crypto/rsa: verification error'
    : `x509: ${algorithm.keyAlgorithm} verification failure`
}

function readAlgorithm(reader: DerReader | undefined): { oid: string; parameters: Uint8Array } {
  const oid = reader?.oid() ?? malformed()
  return { oid, parameters: reader?.element()?.whole ?? new Uint8Array() }
}

function keyOf(publicKey: PublicKey): KeyObject {
  try {
    return keyObjectOf(publicKey) ?? fail('x509: unsupported public key')
  } catch {
    return fail('x509: unsupported public key')
  }
}

/** The subjectAltName among the extensions that are asked for; anything else of them is nothing to Go's signer. */
function readNames(attributes: DerReader) {
  while (!attributes.empty) {
    const attribute = attributes.enter(tag.sequence) ?? malformed()
    if (attribute.oid() !== extensionRequest) continue
    const wanted = attribute.enter(tag.set)?.enter(tag.sequence) ?? malformed()
    return parseExtensions(wanted, 'go1.24').subjectAltName
  }
  return undefined
}
