/** The serving pair that a component makes for itself when nobody gave it one: client-go's util/cert GenerateSelfSignedCertKey. */
import { isIP } from 'node:net'
import type { Clock } from '#clock.ts'

export interface ServingPair {
  /** Leaf, then its CA. */
  certificate: string
  key: string
}

const hour = 3_600_000

/**
 * A throw-away CA `<host>-ca@<unix>` and a leaf `<host>@<unix>` that it signs, both for a year from an hour ago. Keys are P-256 here,
 * RSA-2048 there: two RSA keys would take longer than everything else at start.
 */
export async function defaultServingPair(
  host: string,
  clock: Clock,
  names: { ipAddresses?: readonly string[]; dnsNames?: readonly string[] } = {},
): Promise<ServingPair> {
  // selfsigned carries @peculiar/x509, which wants it to be there first
  await import('reflect-metadata')
  const { generate } = await import('selfsigned')
  const now = clock.now()
  const unix = Math.floor(now.getTime() / 1000)
  const common = {
    keyType: 'ec' as const,
    // by itself it takes SHA-1
    algorithm: 'sha256',
    notBeforeDate: new Date(now.getTime() - hour),
    notAfterDate: new Date(now.getTime() - hour + 365 * 24 * hour),
  }
  const usages = { name: 'keyUsage' as const, digitalSignature: true, keyEncipherment: true, critical: true }
  const ca = await generate([{ name: 'commonName', value: `${host}-ca@${unix}` }], {
    ...common,
    extensions: [
      { ...usages, keyCertSign: true },
      { name: 'basicConstraints', cA: true, critical: true },
    ],
  })
  const ips = [...(isIP(host) ? [host] : []), ...(names.ipAddresses ?? [])]
  const dns = [...(isIP(host) ? [] : [host]), ...(names.dnsNames ?? [])]
  const leaf = await generate([{ name: 'commonName', value: `${host}@${unix}` }], {
    ...common,
    ca: { key: ca.private, cert: ca.cert },
    extensions: [
      usages,
      { name: 'extKeyUsage', serverAuth: true },
      { name: 'basicConstraints', cA: false, critical: true },
      {
        name: 'subjectAltName',
        altNames: [...dns.map(value => ({ type: 2 as const, value })), ...ips.map(ip => ({ type: 7 as const, ip }))],
      },
    ],
  })
  return { certificate: `${leaf.cert.trimEnd()}\n${ca.cert.trimEnd()}\n`, key: `${leaf.private.trimEnd()}\n` }
}
