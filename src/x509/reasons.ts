/**
 * The reasons for which a connection is refused: the table that verdicts, alerts, explanations and README are read from.
 * Texts are Go's, without the prefix of the place (see words.ts); `…` stands for names, times and serials.
 */
import type { Voice } from './types.ts'

export interface ReasonRow {
  reason: string
  /** What happened, as a sentence without a full stop. */
  summary: string
  /** Go's texts, by voice; the first is the usual one. */
  texts: { [V in Voice]: readonly string[] }
  /**
   * The alert that the end sends that refuses: a Go 1.24 server's, a Go 1.19 server's, and a client's (any version).
   * null: none is sent (it is not TLS that refuses, or the connection is just closed).
   */
  alert: { server: { [V in Voice]: number | null }; client: number | null }
  /** What usually causes it. */
  cause: string
  /** What mends it. */
  fix: string
}

const both = (...texts: string[]) => ({ 'go1.24': texts, 'go1.19': texts })
const badCertificate = { server: { 'go1.24': 42, 'go1.19': 42 }, client: 42 }
const unknownCa = { server: { 'go1.24': 48, 'go1.19': 42 }, client: 42 }
const certificateExpired = { server: { 'go1.24': 45, 'go1.19': 42 }, client: 42 }
const same = (code: number | null) => ({ server: { 'go1.24': code, 'go1.19': code }, client: code })

const unknownAuthority = 'x509: certificate signed by unknown authority'
const because = (hint: string) =>
  `${unknownAuthority} (possibly because of "${hint}" while trying to verify candidate authority certificate "…")`
const insecure = (algorithm: string) => because(`x509: cannot verify signature: insecure algorithm ${algorithm}`)
const constrained = 'x509: a root or intermediate certificate is not authorized to sign for this name: '

const unsupportedKey = [
  'tls: client certificate contains an unsupported public key of type …',
  "tls: server's certificate contains an unsupported type of public key: …",
]

export const reasons = [
  {
    reason: 'unknown-authority',
    summary: 'no chain leads from the certificate to a certificate in the bundle',
    texts: both(
      unknownAuthority,
      because('x509: ECDSA verification failure'),
      because('crypto/rsa: verification error'),
      because('x509: cannot verify signature: algorithm unimplemented'),
      'x509: signature check attempts limit reached while verifying certificate chain',
    ),
    alert: unknownCa,
    cause:
      'the other end checks with another CA than the one that issued the certificate, or the intermediate is missing',
    fix: "put the issuing CA into the bundle that the refusing end checks with, or issue the certificate by that end's CA",
  },
  {
    reason: 'expired',
    summary: 'a certificate of the chain is past its notAfter',
    texts: both('x509: certificate has expired or is not yet valid: current time … is after …'),
    alert: certificateExpired,
    cause: 'nobody renewed it; kubeadm issues for one year, CAs for ten',
    fix: 'renew the certificate (`kubeadm certs renew`), restart what does not read it again; a CA needs a rotation',
  },
  {
    reason: 'not-yet-valid',
    summary: 'a certificate of the chain is before its notBefore',
    texts: both('x509: certificate has expired or is not yet valid: current time … is before …'),
    alert: certificateExpired,
    cause: 'the clocks of the issuer and of the judging end differ',
    fix: 'set the clocks (NTP), or issue with a notBefore that lies a few minutes back',
  },
  {
    reason: 'name-mismatch',
    summary: "the name or IP that was dialled is not among the certificate's SANs",
    texts: both(
      'x509: certificate is valid for …, not …',
      "x509: cannot validate certificate for … because it doesn't contain any IP SANs",
      'x509: certificate is not valid for any names, but wanted to match …',
    ),
    alert: badCertificate,
    cause: 'the server is reached by a name, service IP or load balancer that was not known when it was issued',
    fix: 'issue the serving certificate with that name or IP in its SANs, or dial a name that is in them',
  },
  {
    reason: 'no-san',
    summary: 'the certificate has no SANs at all, and the CN is never a name',
    texts: both(
      'x509: certificate relies on legacy Common Name field, use SANs instead',
      'x509: certificate is not valid for any names, but wanted to match …',
      "x509: cannot validate certificate for … because it doesn't contain any IP SANs",
    ),
    alert: badCertificate,
    cause: 'it was made by hand with a CN alone, which OpenSSL still takes and Go has refused since 1.15',
    fix: 'issue it with subjectAltName',
  },
  {
    reason: 'wrong-usage',
    summary: 'a certificate of the chain is not for this use',
    texts: {
      'go1.24': [
        'x509: certificate specifies an incompatible key usage',
        'x509: no valid chains built: all candidate chains have invalid policies',
      ],
      'go1.19': ['x509: certificate specifies an incompatible key usage'],
    },
    alert: badCertificate,
    cause: 'a serving certificate without clientAuth is shown by a client, or a client certificate by a server',
    fix: 'issue it with the extended key usage serverAuth (server), clientAuth (client), or both (etcd)',
  },
  {
    reason: 'not-a-ca',
    summary: 'the issuer is no CA: CA:FALSE, no basicConstraints, or a keyUsage without keyCertSign',
    texts: both(
      because('x509: invalid signature: parent certificate cannot sign this kind of certificate'),
      'x509: certificate is not authorized to sign other certificates',
    ),
    alert: unknownCa,
    cause: 'a leaf was used to sign, or the CA was made without basicConstraints CA:TRUE',
    fix: 'issue the CA again with basicConstraints CA:TRUE and keyUsage keyCertSign, same name and key',
  },
  {
    reason: 'path-length',
    summary: 'there are more intermediates below a CA than its pathLenConstraint allows',
    texts: both('x509: too many intermediates for path length constraint'),
    alert: badCertificate,
    cause: 'an intermediate was put below a CA with pathlen:0',
    fix: 'issue from the CA itself, or issue the CA again with a larger path length',
  },
  {
    reason: 'name-constraint',
    summary: 'a SAN lies outside the name constraints of a CA above it',
    texts: both(
      `${constrained}DNS name "…" is not permitted by any constraint`,
      `${constrained}DNS name "…" is excluded by constraint "…"`,
      `${constrained}IP address "…" is not permitted by any constraint`,
      `${constrained}IP address "…" is excluded by constraint "…"`,
      `${constrained}email address "…" is not permitted by any constraint`,
      `${constrained}URI "…" is not permitted by any constraint`,
    ),
    alert: badCertificate,
    cause:
      'a company CA is constrained to its own domains, and cluster names (kubernetes.default.svc) are not among them',
    fix: 'leave the SAN out, or have a CA that permits it',
  },
  {
    reason: 'weak-signature',
    summary: 'the certificate is signed with MD5 or SHA-1',
    texts: {
      'go1.24': ['SHA1-RSA', 'ECDSA-SHA1', 'MD5-RSA'].map(insecure),
      'go1.19': [
        insecure('SHA1-RSA (temporarily override with GODEBUG=x509sha1=1)'),
        insecure('ECDSA-SHA1 (temporarily override with GODEBUG=x509sha1=1)'),
        insecure('MD5-RSA'),
      ],
    },
    alert: unknownCa,
    cause: 'an old tool or openssl.cnf issues with SHA-1',
    fix: 'sign it again with SHA-256 or better',
  },
  {
    reason: 'weak-key',
    summary: 'an RSA key is smaller than 1024 bits or larger than 8192, or the key is of a kind that TLS does not know',
    texts: {
      'go1.24': [
        because('crypto/rsa: …-bit keys are insecure (see https://go.dev/pkg/crypto/rsa#hdr-Minimum_key_size)'),
        'tls: server sent certificate containing RSA key larger than 8192 bits',
        'tls: client sent certificate containing RSA key larger than 8192 bits',
        'tls: invalid signature by the client certificate: crypto/rsa: …-bit keys are insecure (see https://go.dev/pkg/crypto/rsa#hdr-Minimum_key_size)',
        'tls: invalid signature by the server certificate: crypto/rsa: …-bit keys are insecure (see https://go.dev/pkg/crypto/rsa#hdr-Minimum_key_size)',
        ...unsupportedKey,
      ],
      // it takes any size
      'go1.19': unsupportedKey,
    },
    alert: unknownCa,
    cause: 'a key of another age, or one made too large on purpose',
    fix: 'make a new key: RSA-2048 or P-256, as kubeadm does',
  },
  {
    reason: 'unhandled-extension',
    summary: 'a certificate of the chain has a critical extension that Go does not know',
    texts: both('x509: unhandled critical extension'),
    alert: badCertificate,
    cause: 'name constraints on directoryName, a vendor extension, or (Go 1.19) policy constraints, marked critical',
    fix: 'issue it without the extension, or with the extension not critical',
  },
  {
    reason: 'malformed',
    summary: 'Go cannot parse the certificate, or one that was sent along with it',
    texts: {
      'go1.24': [
        'x509: malformed certificate',
        'x509: negative serial number',
        'x509: invalid RDNSequence: invalid attribute value: invalid PrintableString',
        'x509: certificate contains duplicate extension with OID "…"',
        'x509: unsupported elliptic curve',
        'x509: SAN dNSName is malformed',
      ],
      'go1.19': [
        'x509: malformed certificate',
        'x509: invalid RDNSequence: invalid attribute value: invalid PrintableString',
        'x509: certificate contains duplicate extensions',
        'x509: unsupported elliptic curve',
        'x509: SAN dNSName is malformed',
      ],
    },
    alert: badCertificate,
    cause: 'a tool that OpenSSL forgives: @ or _ in a PrintableString, a negative serial, secp256k1, a SAN given twice',
    fix: 'issue it with a tool that keeps to RFC 5280; `trustplane verify` says whether Go takes it',
  },
  {
    reason: 'revoked',
    summary: "the serial of a presented certificate is in etcd's CRL",
    texts: both('transport: certificate serial … revoked'),
    // etcd closes after a completed handshake
    alert: same(null),
    cause: 'it was revoked, or another CA revoked one with the same serial: etcd looks at nothing but the serial',
    fix: 'issue a new certificate with another serial, or take the serial off the list',
  },
  {
    reason: 'no-certificate',
    summary: 'the other end presented no certificate',
    texts: both("tls: client didn't provide a certificate", 'tls: received empty certificates message'),
    // TLS 1.2 knows no certificate_required: 42 there
    alert: { server: { 'go1.24': 116, 'go1.19': 42 }, client: 42 },
    cause: 'no client certificate is configured, or its key type is not one that the server asked for',
    fix: 'configure the client certificate and key (--cert and --key, kubeconfig, --etcd-certfile)',
  },
  {
    reason: 'key-mismatch',
    summary: 'the private key does not belong to the certificate',
    texts: both(
      'tls: private key does not match public key',
      'tls: private key type does not match public key type',
      'tls: invalid signature by the server certificate: …',
    ),
    alert: same(51),
    cause: 'one of the two files was renewed or copied without the other, or the chain file has the wrong order',
    fix: 'put the certificate and its own key side by side, leaf first in the certificate file',
  },
  {
    reason: 'protocol-version',
    summary: 'the two ends have no TLS version in common',
    texts: both(
      'tls: client offered only unsupported versions: […]',
      'remote error: tls: protocol version not supported',
    ),
    alert: same(70),
    cause: 'one end is limited to TLS 1.3 (--tls-min-version) or the other to 1.1',
    fix: 'allow a version that both have: 1.2 or 1.3',
  },
  {
    reason: 'cipher-mismatch',
    summary: 'the two ends have no cipher suite, group or signature scheme in common',
    texts: {
      'go1.24': [
        'tls: no cipher suite supported by both client and server',
        'tls: no key exchanges supported by both client and server',
        'remote error: tls: handshake failure',
      ],
      'go1.19': [
        'tls: no cipher suite supported by both client and server',
        'tls: no ECDHE curve supported by both client and server',
        'remote error: tls: handshake failure',
      ],
    },
    alert: same(40),
    cause: '--tls-cipher-suites leaves nothing that the other end has, or holds only suites for the other key type',
    fix: 'allow a suite that both have; an ECDSA certificate needs an ECDHE_ECDSA suite, an RSA one an ECDHE_RSA suite',
  },
  {
    reason: 'unauthorized',
    summary: 'TLS is fine, and the server does not know who asks: HTTP 401',
    texts: both('Unauthorized'),
    alert: same(null),
    cause: 'the client certificate does not verify under --client-ca-file, or the token is not valid',
    fix: 'present a certificate of the client CA, or a valid token',
  },
  {
    reason: 'forbidden',
    summary: 'the server knows who asks, and does not allow it: HTTP 403',
    texts: both('… is forbidden: User "…" cannot … resource "…" in API group "…"'),
    alert: same(null),
    cause: 'user (CN) or groups (O) of the certificate have no role for it, or no certificate was sent',
    fix: 'bind a role to the user or group, or issue the certificate with the CN and O that roles are bound to',
  },
  {
    reason: 'unreachable',
    summary: 'no TLS was spoken: nobody listens there, or the connection ended first',
    texts: both('connect: connection refused', 'EOF', 'i/o timeout'),
    alert: same(null),
    cause: 'the component is down, listens elsewhere, or speaks no TLS on that port',
    fix: 'start it, or dial the right address',
  },
] as const satisfies readonly ReasonRow[]

export type Reason = (typeof reasons)[number]['reason']

const byReason = new Map<string, ReasonRow>(reasons.map(row => [row.reason, row]))

/** The row of a reason. */
export const reasonRow = (reason: Reason): ReasonRow & { reason: Reason } =>
  byReason.get(reason) as ReasonRow & { reason: Reason }

/** Whether this is one of ours. */
export const isReason = (text: string): text is Reason => byReason.has(text)
