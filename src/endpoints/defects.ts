/**
 * The defects that a certificate can have: what each is, how it is made, and what Go says of it at either end.
 * Fixtures, endpoints, `trustplane badtls` and docs/library.md are read from this table; test/endpoints dials every row.
 */
import type { Reason } from '#x509/reasons.ts'
import type { Made, Workshop } from './workshop.ts'

/** What the end does that is shown the certificate. */
export type Judgement =
  | 'accepted'
  | {
      reason: Reason
      /** One of the reason's texts (src/x509/reasons.ts), without the prefix of the place. */
      text: string
      /** What a Go server sends, where that is not the reason's usual alert. */
      alert?: number
      /** The end that has the certificate cannot use it, and says so itself: the other never sees it. */
      by?: 'itself'
      /** Go before it takes this. */
      since?: 'go1.24'
      /** Only where a revocation list is looked at: etcd's --client-crl-file. Everybody else accepts it. */
      needs?: 'crl'
    }

export interface CertificateDefect {
  name: string
  /** A sentence without a full stop. */
  description: string
  /** Shown by a server, judged by a client that dials a name in it; left out: no defect at this end. */
  server?: Judgement
  /** Shown by a client, judged by a server that requires certificates (etcd; kube-apiserver answers 401 for the same reasons). */
  client?: Judgement
  make(workshop: Workshop): Promise<Made>
}

const unknownAuthority = 'x509: certificate signed by unknown authority'
const because = (hint: string) =>
  `${unknownAuthority} (possibly because of "${hint}" while trying to verify candidate authority certificate "…")`
const both = (judgement: Judgement) => ({ server: judgement, client: judgement })
const expired = both({
  reason: 'expired',
  text: 'x509: certificate has expired or is not yet valid: current time … is after …',
})
const smallKey = (end: 'server' | 'client') =>
  `tls: invalid signature by the ${end} certificate: crypto/rsa: …-bit keys are insecure (see https://go.dev/pkg/crypto/rsa#hdr-Minimum_key_size)`

export const certificateDefects = [
  {
    name: 'good',
    description: 'nothing is wrong with it',
    ...both('accepted'),
    make: ({ issue }) => issue(),
  },
  {
    name: 'expired',
    description: 'its notAfter has passed',
    ...expired,
    make: ({ issue, ago }) => issue({ notBefore: ago('365d'), notAfter: ago('1h') }),
  },
  {
    name: 'not-yet-valid',
    description: 'its notBefore is still to come',
    ...both({
      reason: 'not-yet-valid',
      text: 'x509: certificate has expired or is not yet valid: current time … is before …',
    }),
    make: ({ issue, ago }) => issue({ notBefore: ago('-1h'), notAfter: ago('-365d') }),
  },
  {
    name: 'expired-intermediate',
    description: 'it is in its time, the intermediate that signed it is not',
    ...expired,
    make: async ({ authority, issue, ago }) => {
      const by = await authority({ commonName: 'expired intermediate', notBefore: ago('365d'), notAfter: ago('1h') })
      return issue({}, { by })
    },
  },
  {
    name: 'expired-ca',
    description: 'it is in its time, and so was the CA when it signed it: the root has expired since',
    ...expired,
    make: async ({ root, issue, ago }) => {
      const by = await root({ commonName: 'expired root', notBefore: ago('3650d'), notAfter: ago('1h') })
      return { ...(await issue({}, { by })), ca: by.cert }
    },
  },
  {
    name: 'self-signed',
    description: 'it signed itself, as the certificates do that kubelet and others make when nobody gave them one',
    ...both({ reason: 'unknown-authority', text: unknownAuthority }),
    make: ({ issue }) => issue({}, { by: 'itself' }),
  },
  {
    name: 'unknown-authority',
    description: 'another CA issued it',
    ...both({ reason: 'unknown-authority', text: unknownAuthority }),
    make: async ({ root, issue }) => issue({}, { by: await root({ commonName: 'another CA' }) }),
  },
  {
    name: 'same-name-authority',
    description: 'a CA of the same name issued it, with another key: what a second `kubeadm init` leaves',
    ...both({ reason: 'unknown-authority', text: because('x509: ECDSA verification failure') }),
    make: async ({ trusted, root, issue }) => issue({}, { by: await root({ commonName: trusted.commonName }) }),
  },
  {
    name: 'incomplete-chain',
    description: 'an intermediate signed it, and is not sent along',
    ...both({ reason: 'unknown-authority', text: unknownAuthority }),
    make: async ({ authority, issue }) => {
      const made = await issue({}, { by: await authority({ commonName: 'intermediate that is not sent' }) })
      return { ...made, intermediates: [] }
    },
  },
  {
    name: 'wrong-host',
    description: 'it is for other names than the one that was dialled',
    server: { reason: 'name-mismatch', text: 'x509: certificate is valid for …, not …' },
    // RFC 5737: an address that is nobody's
    make: ({ issue }) => issue({ dnsNames: ['wrong.example'], ipAddresses: ['192.0.2.1'] }),
  },
  {
    name: 'no-san',
    description: 'its name is in the CN alone, which OpenSSL still takes for one',
    server: { reason: 'no-san', text: 'x509: certificate relies on legacy Common Name field, use SANs instead' },
    make: ({ issue, hosts }) =>
      issue({ subject: { commonName: hosts[0]!, organizations: [] }, dnsNames: [], ipAddresses: [] }),
  },
  {
    name: 'wrong-usage',
    description: "its extKeyUsage is for the other end: a client certificate on a server, or a server's on a client",
    ...both({ reason: 'wrong-usage', text: 'x509: certificate specifies an incompatible key usage' }),
    make: ({ issue, side }) => issue({ extKeyUsages: [side === 'server' ? 'clientAuth' : 'serverAuth'] }),
  },
  {
    name: 'not-a-ca',
    description: 'what signed it is no CA (basicConstraints CA:FALSE)',
    ...both({
      reason: 'not-a-ca',
      text: because('x509: invalid signature: parent certificate cannot sign this kind of certificate'),
    }),
    make: async ({ authority, issue }) =>
      issue({}, { by: await authority({ commonName: 'leaf that signs', isCa: false }) }),
  },
  {
    name: 'path-length',
    description: 'there is an intermediate below one that allows none (pathLenConstraint 0)',
    ...both({ reason: 'path-length', text: 'x509: too many intermediates for path length constraint' }),
    make: async ({ authority, issue }) => {
      const last = await authority({ commonName: 'intermediate with pathlen 0', pathLength: 0 })
      return issue({}, { by: await authority({ commonName: 'intermediate below it' }, last) })
    },
  },
  {
    name: 'name-constraint',
    description: 'the intermediate that signed it may only sign for another domain',
    ...both({
      reason: 'name-constraint',
      text: 'x509: a root or intermediate certificate is not authorized to sign for this name: DNS name "…" is not permitted by any constraint',
    }),
    make: async ({ authority, issue }) => {
      const nameConstraints = {
        permittedDnsNames: ['corp.example'],
        excludedDnsNames: [],
        permittedIpRanges: [],
        excludedIpRanges: [],
      }
      return issue({}, { by: await authority({ commonName: 'intermediate for corp.example', nameConstraints }) })
    },
  },
  {
    name: 'weak-signature',
    description: 'it is signed with SHA-1',
    ...both({
      reason: 'weak-signature',
      text: because('x509: cannot verify signature: insecure algorithm ECDSA-SHA1'),
    }),
    make: ({ issue }) => issue({ signatureHash: 'SHA-1' }),
  },
  {
    name: 'weak-key',
    description: 'its RSA key has 768 bits',
    server: { reason: 'weak-key', text: smallKey('server'), since: 'go1.24' },
    // the chain is fine; it is the handshake's signature that is refused, so decrypt_error
    client: { reason: 'weak-key', text: smallKey('client'), alert: 51, since: 'go1.24' },
    make: ({ issue }) => issue({}, { rsaBits: 768 }),
  },
  {
    name: 'rsa-1024',
    description: 'its RSA key has 1024 bits: OpenSSL 3 refuses it by default, Go takes it',
    ...both('accepted'),
    make: ({ issue }) => issue({}, { rsaBits: 1024 }),
  },
  {
    name: 'unhandled-extension',
    description: 'it has a critical extension that nobody knows',
    ...both({ reason: 'unhandled-extension', text: 'x509: unhandled critical extension' }),
    // an OID for examples (ITU-T X.660: 2.999), with a NULL in it
    make: ({ issue }) =>
      issue({ extraExtensions: [{ oid: '2.999.1', critical: true, value: Uint8Array.of(0x05, 0x00) }] }),
  },
  {
    name: 'malformed',
    description: 'its subject has an @ in a PrintableString: OpenSSL forgives that, Go does not parse it',
    ...both({
      reason: 'malformed',
      text: 'x509: invalid RDNSequence: invalid attribute value: invalid PrintableString',
    }),
    make: ({ issue, printableName }) => issue({ subjectDer: printableName('admin@example') }),
  },
  {
    name: 'revoked',
    description: "its serial is on the CA's revocation list, which only etcd looks at (--client-crl-file)",
    server: 'accepted',
    client: { reason: 'revoked', text: 'transport: certificate serial … revoked', needs: 'crl' },
    make: async ({ issue, revoke }) => {
      const made = await issue()
      return { ...made, crl: await revoke(made.cert) }
    },
  },
  {
    name: 'key-mismatch',
    description:
      'the private key beside it belongs to another certificate: one of the two was renewed without the other',
    ...both({ reason: 'key-mismatch', text: 'tls: private key does not match public key', by: 'itself' }),
    make: async ({ issue }) => ({ ...(await issue()), key: (await issue()).key }),
  },
  {
    name: 'no-certificate',
    description: 'none at all',
    client: { reason: 'no-certificate', text: "tls: client didn't provide a certificate" },
    make: async () => ({ cert: '', key: '', intermediates: [] }),
  },
] as const satisfies readonly CertificateDefect[]

type Row = (typeof certificateDefects)[number]

/** Every defect, and `good`. */
export type CertificateDefectName = Row['name']
/** Those that a server can show. */
export type ServerDefectName = Extract<Row, { server: unknown }>['name']
/** Those that a client can show. */
export type ClientDefectName = Extract<Row, { client: unknown }>['name']
