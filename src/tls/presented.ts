/** The certificates that the other end presented, as sent, and how a record shows one. */
import { isIPv6 } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Certificate } from '#x509/types.ts'
import type { Identity, PresentedCertificate } from './types.ts'

/**
 * The DER of each, leaf first, in the order of the Certificate message.
 *
 * getPeerX509Certificate() hands out OpenSSL's own list of what was sent (SSL_get_peer_cert_chain), linked through `issuerCertificate`
 * in that order whatever their names are, on servers and clients alike (Node 22.23, 24.21, 26.10). It takes the list apart while doing so:
 * a second call on the same socket sees less. So this is called once for a socket, and nobody else calls it before.
 * Never getPeerCertificate(true) or toLegacyObject(): they re-link, and Node 24.21 dies in them on secp256k1 keys.
 */
export function presentedBy(socket: TLSSocket): Uint8Array[] {
  const chain: Uint8Array[] = []
  for (let next = socket.getPeerX509Certificate(); next; next = next.issuerCertificate) chain.push(next.raw)
  return chain
}

const described = new WeakMap<Certificate, PresentedCertificate>()

export function describeCertificate(certificate: Certificate): PresentedCertificate {
  let description = described.get(certificate)
  if (!description) {
    const names = certificate.subjectAltName
    description = {
      subject: certificate.subject.toString(),
      issuer: certificate.issuer.toString(),
      serial: certificate.serialNumber.toString(16),
      notBefore: rfc3339(certificate.notBefore),
      notAfter: rfc3339(certificate.notAfter),
      sha256: certificate.sha256,
      ...(names && names.dnsNames.length > 0 ? { dnsNames: [...names.dnsNames] } : {}),
      ...(names && names.ipAddresses.length > 0 ? { ipAddresses: names.ipAddresses.map(ipText) } : {}),
      ...(certificate.extKeyUsage ? { extKeyUsage: [...certificate.extKeyUsage] } : {}),
    }
    described.set(certificate, description)
  }
  return description
}

const ownDescriptions = new WeakMap<Identity, PresentedCertificate>()

/** One's own leaf, with the file it came from. */
export function describeOwn(identity: Identity): PresentedCertificate | undefined {
  const leaf = identity.chain[0]
  if (!leaf) return undefined
  let description = ownDescriptions.get(identity)
  if (!description) {
    description = { ...describeCertificate(leaf), ...(identity.file ? { file: identity.file } : {}) }
    ownDescriptions.set(identity, description)
  }
  return description
}

/** Seconds, as certificates have them; a date out of range is left as text. */
const rfc3339 = (date: Date) => (Number.isNaN(date.getTime()) ? String(date) : date.toISOString().replace('.000Z', 'Z'))

function ipText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.')
  const groups = Array.from({ length: 8 }, (_, i) => ((bytes[2 * i]! << 8) | bytes[2 * i + 1]!).toString(16)).join(':')
  return isIPv6(groups) ? new URL(`http://[${groups}]`).hostname.slice(1, -1) : groups
}
