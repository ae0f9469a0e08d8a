/** Go's Certificate.VerifyHostname and HostnameError: SANs only, the CN is never a name (RFC 6125 §6.4.4 gone strict). */
import { type Failure, failure } from './failure.ts'
import { equalIps, ipToString, parseIp } from './ip-addresses.ts'
import type { Certificate, Voice } from './types.ts'

/** @param host a name, or an IP with or without brackets */
export function verifyHostname(certificate: Certificate, host: string, voice: Voice): Failure | undefined {
  const bracketed = /^\[(.+)\]$/s.exec(host)?.[1]
  const candidateIp = bracketed ?? host
  const ip = parseIp(candidateIp, voice)
  if (ip) {
    // RFC 6125 B.2: an IP matches only iPAddress entries
    const matches = certificate.subjectAltName?.ipAddresses.some(address => equalIps(ip, address))
    return matches ? undefined : hostnameFailure(certificate, candidateIp, voice)
  }
  const name = lowerAscii(host)
  const isValid = isValidHostname(name, 'input', voice)
  const matches = certificate.subjectAltName?.dnsNames.some(pattern =>
    isValid && isValidHostname(pattern, 'pattern', voice) ? matchHostnames(pattern, name) : matchExactly(pattern, name),
  )
  return matches ? undefined : hostnameFailure(certificate, host, voice)
}

/** HostnameError.Error. */
function hostnameFailure(certificate: Certificate, host: string, voice: Voice): Failure {
  const { subjectAltName, subject } = certificate
  if (!subjectAltName && matchHostnames(subject.commonName, host)) {
    return failure('no-san', 'x509: certificate relies on legacy Common Name field, use SANs instead', certificate)
  }
  const isIp = parseIp(host, voice) !== undefined
  const names = isIp ? (subjectAltName?.ipAddresses ?? []).map(ipToString) : (subjectAltName?.dnsNames ?? [])
  const reason = subjectAltName ? 'name-mismatch' : 'no-san'
  if (isIp && names.length === 0) {
    const message = `x509: cannot validate certificate for ${host} because it doesn't contain any IP SANs`
    return failure(reason, message, certificate)
  }
  const valid = names.join(', ')
  if (valid === '') {
    const message = `x509: certificate is not valid for any names, but wanted to match ${host}`
    return failure(reason, message, certificate)
  }
  return failure(reason, `x509: certificate is valid for ${valid}, not ${host}`, certificate)
}

/** Only ASCII: no Unicode folding, no IDN. */
const lowerAscii = (text: string) => text.replace(/[A-Z]/g, letter => letter.toLowerCase())

/**
 * Go's validHostname. A pattern may have `*` as its whole first label, and no trailing dot; an input may have one trailing dot.
 * A bare `*` is no pattern; to Go 1.19 it was one, and matched any single label.
 */
function isValidHostname(host: string, role: 'pattern' | 'input', voice: Voice): boolean {
  const name = role === 'input' ? host.replace(/\.$/, '') : host
  if (name === '' || (name === '*' && voice !== 'go1.19')) return false
  const isLabel = (label: string, index: number) =>
    /^[A-Za-z0-9_][A-Za-z0-9_-]*$/.test(label) || (role === 'pattern' && index === 0 && label === '*')
  return name.split('.').every(isLabel)
}

function matchExactly(a: string, b: string): boolean {
  if (a === '' || a === '.' || b === '' || b === '.') return false
  return lowerAscii(a) === lowerAscii(b)
}

function matchHostnames(pattern: string, host: string): boolean {
  const patternLabels = lowerAscii(pattern).split('.')
  const hostLabels = lowerAscii(host).replace(/\.$/, '').split('.')
  if (pattern === '' || hostLabels.join('.') === '' || patternLabels.length !== hostLabels.length) return false
  return patternLabels.every((label, index) => (index === 0 && label === '*') || label === hostLabels[index])
}
