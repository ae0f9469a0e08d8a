/** The CA that signs CSRs, and the certificate that it makes of one (pkg/controller/certificates/authority, signer/ca_provider.go). */
import { createPrivateKey, type KeyObject } from 'node:crypto'
import type { Clock } from '#clock.ts'
import { messageOf } from '#errors.ts'
import type { CertificateSigningRequest } from '#kubernetes/types.ts'
import type { Log } from '#log.ts'
import { issueCertificate } from '#pki/certificates.ts'
import type { ExtKeyUsage, KeyUsage } from '#pki/types.ts'
import { fileIdentity } from '#tls/identity.ts'
import type { Identity } from '#tls/types.ts'
import type { Request } from './request.ts'

/** certificates.k8s.io's words for RFC 5280's. */
const keyUsages: Record<string, KeyUsage> = {
  signing: 'digitalSignature',
  'digital signature': 'digitalSignature',
  'content commitment': 'nonRepudiation' as KeyUsage,
  'key encipherment': 'keyEncipherment',
  'key agreement': 'keyAgreement' as KeyUsage,
  'data encipherment': 'dataEncipherment' as KeyUsage,
  'cert sign': 'keyCertSign',
  'crl sign': 'cRLSign',
}
const extKeyUsages: Record<string, ExtKeyUsage> = {
  'client auth': 'clientAuth',
  'server auth': 'serverAuth',
  any: 'anyExtendedKeyUsage' as ExtKeyUsage,
  'code signing': 'codeSigning' as ExtKeyUsage,
  'email protection': 'emailProtection' as ExtKeyUsage,
  's/mime': 'emailProtection' as ExtKeyUsage,
  timestamping: 'timeStamping' as ExtKeyUsage,
  'ocsp signing': 'OCSPSigning' as ExtKeyUsage,
}

// signer.go: below eight hours five minutes would be more than 1 % of a life, and the end is left where it was asked for
const shortMs = 8 * 3_600_000
const leastMs = 10 * 60_000

export interface Authority {
  /** @throws Error in the original's words when the CA's files are bad by now, or the CA has expired */
  sign(request: Request, csr: CertificateSigningRequest): Promise<string>
  close(): void
}

export interface AuthorityOptions {
  certFile: string
  keyFile: string
  clock: Clock
  log: Log
  /** `--cluster-signing-duration` */
  longestMs: number
  /** How long ago certificates begin. */
  backdateMs: number
}

/** The files are watched, as DynamicFileServingContent does. @throws Error in the original's words when they cannot be used */
export function loadAuthority({ certFile, keyFile, clock, log, longestMs, backdateMs }: AuthorityOptions): Authority {
  const name = 'csr-controller'
  const failed = (file: string, why: string) => new Error(`error reading CA cert file "${file}": ${why}`)
  const open = () => {
    try {
      return fileIdentity({ certFile, keyFile, reload: 'watch', log, name })
    } catch (error) {
      throw failed(certFile, messageOf(error))
    }
  }
  const source = open()
  let known: { identity: Identity; key: KeyObject } | undefined
  const currentCa = () => {
    const identity = source.current()
    if (identity.chain.length !== 1)
      throw failed(`${name}::${certFile}::${keyFile}`, `expected 1 certificate, found ${identity.chain.length}`)
    if (known?.identity !== identity) known = { identity, key: createPrivateKey(identity.key) }
    return known
  }
  currentCa()

  return {
    async sign(request, { spec }) {
      const { identity, key } = currentCa()
      const now = clock.now().getTime()
      const asked = spec.expirationSeconds === undefined ? longestMs : spec.expirationSeconds * 1000
      const ttl = asked >= longestMs ? longestMs : Math.max(leastMs, asked)
      const ends = identity.chain[0]!.notAfter
      const expired = `NotAfter=${ends.toISOString().slice(0, 19).replace('T', ' ')} +0000 UTC`
      if (now - backdateMs >= ends.getTime()) throw new Error(`the signer has expired: ${expired}`)
      if (now >= ends.getTime()) throw new Error(`refusing to sign a certificate that expired in the past: ${expired}`)
      const notAfter = now + ttl - (ttl < shortMs ? 0 : backdateMs)
      const usages = spec.usages ?? []
      const of = <T>(table: Record<string, T>) => [...new Set(usages.flatMap(usage => table[usage] ?? []))]
      return issueCertificate(
        {
          ...request,
          notBefore: new Date(now - backdateMs),
          notAfter: new Date(Math.min(notAfter, ends.getTime())),
          keyUsages: of(keyUsages),
          extKeyUsages: of(extKeyUsages),
        },
        request.publicKey,
        { certificate: identity.certificate, file: certFile, key },
      )
    },
    close: () => source.close(),
  }
}
