/** The CA that signs CSRs, and the certificate that it makes of one (pkg/controller/certificates/authority). */
import { createPrivateKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Clock } from '#clock.ts'
import { messageOf } from '#errors.ts'
import type { CertificateSigningRequest } from '#kubernetes/types.ts'
import { issueCertificate, type Signer } from '#pki/certificates.ts'
import type { ExtKeyUsage, KeyUsage } from '#pki/types.ts'
import { parseCertificate } from '#x509/certificate.ts'
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
  timestamping: 'timeStamping' as ExtKeyUsage,
  'ocsp signing': 'OCSPSigning' as ExtKeyUsage,
}

// signer.go: certificates are good from five minutes ago
const backdateMs = 5 * 60_000

export interface Authority {
  sign(request: Request, csr: CertificateSigningRequest): Promise<string>
}

/** @throws Error in the original's words when the files cannot be used */
export function loadAuthority(certFile: string, keyFile: string, clock: Clock, longestMs: number): Authority {
  const name = `"csr-controller::${certFile}::${keyFile}"`
  const failed = (what: string, error: unknown) =>
    new Error(`error reading CA ${what} file ${name}: ${messageOf(error)}`)
  const read = (what: string, file: string) => {
    try {
      return readFileSync(file, 'utf8')
    } catch (error) {
      throw failed(what, error)
    }
  }
  const certificate = read('cert', certFile)
  const blocks = certificate.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? []
  if (blocks.length !== 1) throw failed('cert', `expected 1 certificate, found ${blocks.length}`)
  const ca = parseCertificate(Buffer.from(blocks[0]!.replace(/-----[^-]+-----|\s/g, ''), 'base64'))
  let key: Signer['key']
  try {
    key = createPrivateKey(read('key', keyFile))
  } catch (error) {
    throw failed('key', error)
  }
  const signer: Signer = { certificate, file: certFile, key }

  return {
    sign(request, { spec }) {
      const now = clock.now().getTime()
      const asked = spec.expirationSeconds === undefined ? longestMs : Math.max(600, spec.expirationSeconds) * 1000
      const notAfter = new Date(Math.min(now + Math.min(asked, longestMs), ca.notAfter.getTime()))
      const usages = spec.usages ?? []
      const of = <T>(table: Record<string, T>) => [...new Set(usages.flatMap(usage => table[usage] ?? []))]
      return issueCertificate(
        {
          subject: request.subject,
          subjectDer: request.subjectDer,
          notBefore: new Date(now - backdateMs),
          notAfter,
          keyUsages: of(keyUsages),
          extKeyUsages: of(extKeyUsages),
          dnsNames: request.dnsNames,
          ipAddresses: request.ipAddresses,
          emailAddresses: request.emailAddresses,
          uris: request.uris,
        },
        request.publicKey,
        signer,
      )
    },
  }
}
