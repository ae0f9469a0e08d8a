/** etcd's look at a peer's certificate after its handshake: do its names fit the address it comes from? Source: pkg/transport/listener_tls.go, checkCertSAN. */
import { lookup, reverse } from 'node:dns/promises'
import { verifyHostname } from '#x509/hostname.ts'
import type { Certificate, Voice } from '#x509/types.ts'

/** @returns words, when it is to be refused */
export async function checkCertSan(
  certificate: Certificate,
  remoteIp: string,
  voice: Voice,
): Promise<string | undefined> {
  const { dnsNames = [], ipAddresses = [] } = certificate.subjectAltName ?? {}
  if (dnsNames.length === 0 && ipAddresses.length === 0) return undefined
  if (ipAddresses.length > 0) {
    const failure = verifyHostname(certificate, remoteIp, voice)
    if (!failure) return undefined
    if (dnsNames.length === 0) return failure.message
  }
  const { found, error } = await isHostInDns(remoteIp, dnsNames)
  if (found) return undefined
  const list = `[${dnsNames.map(name => JSON.stringify(name)).join(' ')}]`
  return `tls: ${JSON.stringify(remoteIp)} does not match any of DNSNames ${list}${error ? ` (${error})` : ''}`
}

/** Names are looked up and compared with the address; for wildcards the address is looked up and compared with the name. */
async function isHostInDns(ip: string, dnsNames: readonly string[]): Promise<{ found: boolean; error?: string }> {
  const wildcards = dnsNames.filter(name => name.startsWith('*.')).map(name => name.slice(1))
  const errors: string[] = []
  for (const name of dnsNames.filter(name => !name.startsWith('*.'))) {
    try {
      const addresses = await lookup(name, { all: true })
      if (addresses.some(({ address }) => address === ip)) return { found: true }
    } catch {
      errors.push(`lookup ${name}: no such host`)
    }
  }
  if (wildcards.length > 0) {
    try {
      const names = (await reverse(ip)).map(name => name.replace(/\.$/, ''))
      if (names.some(name => wildcards.includes(name.slice(Math.max(0, name.indexOf('.')))))) return { found: true }
    } catch {
      errors.push(`lookup ${ip}: no such host`)
    }
  }
  return errors.length > 0 ? { found: false, error: errors.join(',') } : { found: false }
}
