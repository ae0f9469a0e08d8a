import { generateKeyPairSync } from 'node:crypto'
import t from 'tap'
import { createSigningRequest } from '#pki/signing-request.ts'
import { checkRequestSignature, parseCertificateRequest } from '#x509/certificate-request.ts'
import { CertificateParseError } from '#x509/errors.ts'
import { scanPem } from '#x509/pem-scanner.ts'

const keys = {
  ECDSA: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
  RSA: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey,
  Ed25519: generateKeyPairSync('ed25519').privateKey,
}

const names = {
  dnsNames: ['a', 'a.example'],
  ipAddresses: ['10.0.0.1', 'fd00::1'],
  emailAddresses: ['a@example.com'],
  uris: ['spiffe://example/a'],
}
const content = { subject: { commonName: 'system:node:a', organizations: ['system:nodes'] }, ...names }

const made = async (key: keyof typeof keys) => [...scanPem(await createSigningRequest(content, keys[key]))][0]!.der

for (const key of ['ECDSA', 'RSA', 'Ed25519'] as const) {
  t.test(`a request with a key for ${key} says what is asked for, and that its key signed it`, async t => {
    const der = await made(key)
    const request = parseCertificateRequest(der)
    t.equal(request.subject.commonName, 'system:node:a')
    t.strictSame(request.subject.organizations, ['system:nodes'])
    const { dnsNames, ipAddresses, emailAddresses, uris } = request
    t.strictSame({ dnsNames, ipAddresses, emailAddresses, uris }, names)
    t.equal(checkRequestSignature(request), undefined)

    // the last letter of the common name
    const changed = Buffer.from(der)
    changed[changed.indexOf('system:node:a') + 12] = 'b'.charCodeAt(0)
    const refused = checkRequestSignature(parseCertificateRequest(changed))
    t.equal(refused, key === 'RSA' ? 'crypto/rsa: verification error' : `x509: ${key} verification failure`)
  })
}
t.test('what is cut off or followed by something is no request', async t => {
  const der = await made('ECDSA')
  for (let length = 0; length < der.length; length += 7)
    t.throws(() => parseCertificateRequest(der.subarray(0, length)), CertificateParseError)
  t.throws(() => parseCertificateRequest(Buffer.concat([der, Buffer.from([0])])), {
    message: 'asn1: syntax error: trailing data',
  })
})
