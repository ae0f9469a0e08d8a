/** Certificates that sign themselves: a component's serving certificate when nobody gave it one. Made with the `selfsigned` library. */
import { createPublicKey, type KeyObject } from 'node:crypto'
// selfsigned carries a @peculiar/x509 of its own, which wants it to be there first too
import 'reflect-metadata'
import { generate } from 'selfsigned'
import { type CertificateContent, issueCertificate } from './certificates.ts'
import { privateKeyPem } from './keys.ts'

/** A certificate's PEM, with a newline at its end. */
export async function issueSelfSigned(content: CertificateContent, key: KeyObject): Promise<string> {
  if (!isWithinSelfsigned(content, key)) return issueCertificate(content, key, { self: key })
  const { cert } = await generate([{ name: 'commonName', value: content.subject.commonName }], {
    keyType: key.asymmetricKeyType === 'ec' ? 'ec' : 'rsa',
    // by itself it takes SHA-1
    algorithm: 'sha256',
    notBeforeDate: content.notBefore,
    notAfterDate: content.notAfter,
    keyPair: {
      privateKey: privateKeyPem(key),
      publicKey: createPublicKey(key).export({ format: 'pem', type: 'spki' }).toString(),
    },
    extensions: [
      { name: 'keyUsage', digitalSignature: true, keyEncipherment: true, critical: true },
      {
        name: 'extKeyUsage',
        serverAuth: content.extKeyUsages?.includes('serverAuth') ?? false,
        clientAuth: content.extKeyUsages?.includes('clientAuth') ?? false,
      },
      { name: 'basicConstraints', cA: false, critical: true },
      {
        name: 'subjectAltName',
        altNames: [
          ...(content.dnsNames ?? []).map(value => ({ type: 2 as const, value })),
          ...(content.ipAddresses ?? []).map(ip => ({ type: 7 as const, ip })),
        ],
      },
    ],
  })
  return `${cert.trimEnd()}\n`
}

/**
 * selfsigned 5.5 knows a CN (which it does not escape), P-256 and RSA keys, the common usages and names, and no serial of one's own.
 * What is beyond that (scenarios about odd certificates) is made as authorities' certificates are.
 */
function isWithinSelfsigned(content: CertificateContent, key: KeyObject): boolean {
  const plainUsages = content.keyUsages?.join() === 'digitalSignature,keyEncipherment'
  const plainKey = key.asymmetricKeyType === 'rsa' || key.asymmetricKeyDetails?.namedCurve === 'prime256v1'
  const names = [...(content.dnsNames ?? []), ...(content.ipAddresses ?? [])]
  const usages = content.extKeyUsages ?? []
  return (
    /^[\w@.:-]+$/.test(content.subject.commonName) &&
    content.subject.organizations.length === 0 &&
    plainUsages &&
    plainKey &&
    names.length > 0 &&
    usages.length > 0 &&
    usages.every(usage => usage === 'serverAuth' || usage === 'clientAuth') &&
    !content.isCa &&
    !content.subjectDer &&
    !content.uris?.length &&
    !content.emailAddresses?.length &&
    !content.serialNumber &&
    (content.signatureHash ?? 'SHA-256') === 'SHA-256'
  )
}
