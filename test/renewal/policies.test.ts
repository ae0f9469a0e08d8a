/** When a certificate is issued anew and whether it is good, without any server. */
import { createPrivateKey } from 'node:crypto'
import t from 'tap'
import type { Secret } from '#kubernetes/types.ts'
import { issueCertificate } from '#pki/certificates.ts'
import { generateKey, privateKeyPem } from '#pki/keys.ts'
import { createSigningRequest } from '#pki/signing-request.ts'
import { keyFits } from '#renewal/key-pairs.ts'
import { type Input, renewalTime, whyIssue, whyNotReady } from '#renewal/policies.ts'
import { annotation, type Certificate, type CertificateRequest, type CertificateSpec } from '#renewal/types.ts'
import { parseUsages, usagesOf, wordsOf } from '#renewal/usages.ts'

const base64 = (text: string) => Buffer.from(text).toString('base64')
const from = new Date('2026-11-24T10:00:00Z')
const hours = (count: number) => new Date(from.getTime() + count * 3_600_000)

const spec: CertificateSpec = {
  secretName: 'web-tls',
  commonName: 'web',
  dnsNames: ['web.test'],
  usages: ['server auth'],
  issuerRef: { name: 'ca' },
}

async function issued(more: Partial<CertificateSpec> = {}): Promise<Input & { secret: Secret }> {
  const key = await generateKey('ECDSA-P256')
  const content = { subject: { commonName: 'web', organizations: [] }, dnsNames: ['web.test'] }
  const pem = await issueCertificate({ ...content, notBefore: from, notAfter: hours(24) }, key, { self: key })
  const certificate: Certificate = { metadata: { name: 'web', namespace: 'default' }, spec: { ...spec, ...more } }
  const request: CertificateRequest = {
    metadata: { name: 'web-1' },
    spec: {
      request: base64(await createSigningRequest(content, key)),
      issuerRef: { name: 'ca', kind: 'Issuer' },
      usages: ['server auth'],
    },
  }
  const secret: Secret = {
    metadata: {
      name: 'web-tls',
      annotations: {
        [annotation.certificateName]: 'web',
        [annotation.issuerName]: 'ca',
        [annotation.issuerKind]: 'Issuer',
        [annotation.issuerGroup]: 'cert-manager.io',
      },
    },
    data: { 'tls.crt': base64(pem), 'tls.key': base64(privateKeyPem(key)) },
  }
  return { certificate, request, secret, now: hours(1) }
}

t.test('a certificate that fits needs nothing', async t => {
  const input = await issued()
  t.equal(whyIssue(input), undefined)
  t.equal(whyNotReady(input), undefined)
})

t.test('what is wrong is said with cert-manager’s reason and words', async t => {
  const input = await issued()
  const otherKey = base64(privateKeyPem(await generateKey('ECDSA-P256')))
  const without = (key: string) => ({ ...input.secret, data: { ...input.secret.data, [key]: '' } })
  const annotated = (annotations: Record<string, string>) => ({
    ...input.secret,
    metadata: { ...input.secret.metadata, annotations: { ...input.secret.metadata.annotations, ...annotations } },
  })
  const rows: [change: Partial<Input>, reason: string, message: string | RegExp][] = [
    [{ secret: undefined }, 'DoesNotExist', 'Issuing certificate as Secret does not exist'],
    [{ secret: { metadata: {} } }, 'MissingData', 'Issuing certificate as Secret does not contain any data'],
    [{ secret: without('tls.key') }, 'MissingData', 'Issuing certificate as Secret does not contain a private key'],
    [{ secret: without('tls.crt') }, 'MissingData', 'Issuing certificate as Secret does not contain a certificate'],
    [
      { secret: { ...input.secret, data: { ...input.secret.data, 'tls.key': otherKey } } },
      'InvalidKeyPair',
      'Issuing certificate as Secret contains a private key that does not match the certificate',
    ],
    [
      {
        secret: {
          ...input.secret,
          data: { ...input.secret.data, 'tls.crt': base64('-----BEGIN CERTIFICATE-----\nMIIB') },
        },
      },
      'InvalidCertificate',
      /^Issuing certificate as Secret contains an invalid certificate: /,
    ],
    [
      { secret: annotated({ [annotation.issuerName]: 'old' }) },
      'IncorrectIssuer',
      'Issuing certificate as Secret was previously issued by "Issuer.cert-manager.io/old"',
    ],
    [
      { secret: annotated({ [annotation.certificateName]: 'other' }) },
      'IncorrectCertificate',
      /^Secret was issued for "other"\./,
    ],
    [
      { certificate: { ...input.certificate, spec: { ...spec, dnsNames: ['new.test'], usages: ['client auth'] } } },
      'RequestChanged',
      'Fields on existing CertificateRequest resource not up to date: [spec.dnsNames spec.usages]',
    ],
    [
      { request: undefined, certificate: { ...input.certificate, spec: { ...spec, ipAddresses: ['192.0.2.1'] } } },
      'SecretMismatch',
      'Issuing certificate as Existing issued Secret is not up to date for spec: [spec.ipAddresses]',
    ],
    [{ now: hours(16) }, 'Renewing', 'Renewing certificate as renewal was scheduled at 2026-11-25 02:00:00 +0000 UTC'],
  ]
  for (const [change, reason, message] of rows) t.match(whyIssue({ ...input, ...change }), { reason, message }, reason)
  t.equal(whyNotReady({ ...input, now: hours(16) }), undefined, 'what only nears its end is still good')
  t.match(whyNotReady({ ...input, now: hours(25) }), {
    reason: 'Expired',
    message: 'Certificate expired on Wed, 25 Nov 2026 10:00:00 UTC',
  })
})

t.test('renewal is renewBefore before the end, or after two thirds of the life', async t => {
  const life = { validFromDate: from, validToDate: hours(90) }
  for (const [wanted, at] of [
    [{}, 60],
    [{ renewBefore: '24h' }, 66],
    [{ renewBefore: '90h0m0s' }, 60],
    [{ renewBeforePercentage: 10 }, 81],
  ] as const) {
    t.equal(renewalTime(life, wanted).toISOString(), hours(at).toISOString(), JSON.stringify(wanted))
  }
})

t.test('usages and keys in cert-manager’s words', async t => {
  t.strictSame(usagesOf({}), ['digital signature', 'key encipherment'])
  t.strictSame(usagesOf({ isCA: true, usages: ['crl sign'] }), ['crl sign', 'cert sign'])
  t.strictSame(parseUsages(['signing', 'digital signature', 'server auth', 'client auth']), {
    keyUsages: ['digitalSignature'],
    extKeyUsages: ['serverAuth', 'clientAuth'],
  })
  t.throws(() => parseUsages(['flying']), { message: 'unknown key usage: flying' })
  t.strictSame(wordsOf({ keyUsages: ['digitalSignature', 'keyEncipherment'], extKeyUsages: ['clientAuth'] }), [
    'digital signature',
    'key encipherment',
    'client auth',
  ])
  const key = createPrivateKey(privateKeyPem(await generateKey('ECDSA-P384')))
  t.ok(keyFits(key, { privateKey: { algorithm: 'ECDSA', size: 384 } }))
  t.notOk(keyFits(key, { privateKey: { algorithm: 'ECDSA' } }))
  t.notOk(keyFits(key, {}))
})
