import { generateKeyPairSync } from 'node:crypto'
import t from 'tap'
import type { Request } from '#components/kube-controller-manager/signing/request.ts'
import { signers } from '#components/kube-controller-manager/signing/signers.ts'
import type { CertificateSigningRequest } from '#kubernetes/types.ts'

const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const request = (more: Partial<Request> = {}): Request => ({
  subject: { commonName: 'system:node:node-1', organizations: ['system:nodes'] },
  subjectDer: new Uint8Array(),
  publicKey,
  dnsNames: [],
  ipAddresses: [],
  emailAddresses: [],
  uris: [],
  ...more,
})
const client = ['digital signature', 'client auth']
const serving = ['digital signature', 'key encipherment', 'server auth']

// pkg/apis/certificates/helpers.go and signer.go; the texts are what `kubectl describe csr` shows
const cases: [signer: string, asked: Request, usages: string[], objection: string | undefined][] = [
  ['kube-apiserver-client-kubelet', request(), client, undefined],
  ['kube-apiserver-client-kubelet', request(), ['key encipherment', ...client], undefined],
  [
    'kube-apiserver-client-kubelet',
    request({ subject: { commonName: 'system:node:a', organizations: ['system:masters'] } }),
    client,
    'subject organization is not system:nodes',
  ],
  [
    'kube-apiserver-client-kubelet',
    request({ subject: { commonName: 'system:node:a', organizations: ['system:nodes', 'x'] } }),
    client,
    'subject organization is not system:nodes',
  ],
  [
    'kube-apiserver-client-kubelet',
    request({ subject: { commonName: 'node-1', organizations: ['system:nodes'] } }),
    client,
    'subject common name does not begin with system:node:',
  ],
  ['kube-apiserver-client-kubelet', request({ dnsNames: ['node-1'] }), client, 'DNS subjectAltNames are not allowed'],
  [
    'kube-apiserver-client-kubelet',
    request({ ipAddresses: ['10.0.0.1'] }),
    client,
    'IP subjectAltNames are not allowed',
  ],
  [
    'kube-apiserver-client-kubelet',
    request({ emailAddresses: ['a@b'] }),
    client,
    'Email subjectAltNames are not allowed',
  ],
  ['kube-apiserver-client-kubelet', request({ uris: ['spiffe://a'] }), client, 'URI subjectAltNames are not allowed'],
  [
    'kube-apiserver-client-kubelet',
    request(),
    serving,
    'usages did not match [client auth digital signature key encipherment]',
  ],
  ['kubelet-serving', request({ ipAddresses: ['10.0.0.1'] }), serving, undefined],
  ['kubelet-serving', request(), serving, 'DNS or IP subjectAltName is required'],
  ['kubelet-serving', request({ dnsNames: ['a'], uris: ['b:c'] }), serving, 'URI subjectAltNames are not allowed'],
  [
    'kubelet-serving',
    request({ dnsNames: ['a'] }),
    client,
    'usages did not match [digital signature key encipherment server auth]',
  ],
  ['kube-apiserver-client', request({ dnsNames: ['a'] }), client, undefined],
  [
    'kube-apiserver-client',
    request(),
    ['digital signature'],
    'missing required usage for client certificate: client auth',
  ],
  ['kube-apiserver-client', request(), [...client, 'server auth'], 'invalid usage for client certificate: server auth'],
  // of two objections the original has one that it makes first
  ['kube-apiserver-client', request(), ['server auth'], 'invalid usage for client certificate: server auth'],
  [
    'kubelet-serving',
    request({ dnsNames: ['a'], subject: { commonName: 'a', organizations: ['system:nodes'] } }),
    client,
    'usages did not match [digital signature key encipherment server auth]',
  ],
  ['legacy-unknown', request(), serving, undefined],
]
for (const [signer, asked, usages, objection] of cases) {
  t.test(
    `${signer} says ${objection ?? 'yes'} to ${JSON.stringify(asked.subject)} for ${usages.join(', ')}`,
    async t => {
      const csr = {
        metadata: {},
        spec: { request: '', signerName: `kubernetes.io/${signer}`, usages },
      } as CertificateSigningRequest
      t.equal(signers[`kubernetes.io/${signer}`]!(asked, csr), objection)
    },
  )
}
