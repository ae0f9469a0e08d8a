/** THE table of what `trustplane pki lint` looks for. A finding names its rule; the documents and SARIF are made from here. */

/** `error`: somebody can misuse it now, or something fails; `warning`: it will come to that; `note`: worth knowing, changes no exit status. */
export type Severity = 'error' | 'warning' | 'note'

export interface Rule {
  id: string
  severity: Severity
  /** What is wrong, in a sentence without its place. */
  what: string
  why: string
  source: string
  fix: string
}

const cis = (number: string) => `CIS Kubernetes Benchmark 1.12, ${number}`
const kubernetes = (page: string) => `https://kubernetes.io/docs/${page}`

export const rules = [
  // keys where they should not be
  {
    id: 'key-in-git',
    severity: 'error',
    what: 'a private key is in the Git history',
    why: 'Everybody who ever cloned the repository has it, and deleting the file takes it from nobody.',
    source:
      'https://docs.github.com/en/authentication/keeping-your-account-and-data-secure/removing-sensitive-data-from-a-repository',
    fix: 'treat it as leaked: make a new key and certificate, take the old CA or RBAC binding away, then rewrite the history (git filter-repo)',
  },
  {
    id: 'key-in-image',
    severity: 'error',
    what: 'a private key is in a layer of the image',
    why: 'Whoever can pull the image has the key; a later layer that deletes the file only hides it.',
    source: kubernetes('concepts/configuration/secret/'),
    fix: 'treat it as leaked; mount keys as Secrets, and use build secrets (RUN --mount=type=secret) where a build needs one',
  },
  {
    id: 'key-in-tree',
    severity: 'warning',
    what: 'a private key lies in a folder that is no PKI',
    why: 'What lies in a working tree gets committed, copied into images and backed up.',
    source: kubernetes('setup/best-practices/certificates/'),
    fix: 'keep keys where their component reads them, 0600, and out of working trees (.gitignore, .dockerignore)',
  },
  {
    id: 'key-encrypted',
    severity: 'note',
    what: 'an encrypted private key lies where keys should not',
    why: 'It is worth no more than its passphrase, which can be guessed at leisure by whoever has the file.',
    source: 'https://datatracker.ietf.org/doc/html/rfc8018#section-4',
    fix: 'move it away; if the passphrase was weak or lies beside it, treat it as leaked',
  },
  {
    id: 'key-store',
    severity: 'warning',
    what: 'a key store (PKCS#12 or JKS) lies where keys should not',
    why: 'It usually holds a private key, often under a well-known password (changeit).',
    source: 'https://datatracker.ietf.org/doc/html/rfc7292',
    fix: 'as for a private key, unless it holds nothing but certificates',
  },
  // files
  {
    id: 'key-mode',
    severity: 'error',
    what: 'a private key can be read by more than its owner',
    why: 'Any process of the machine can become that component, and with a CA’s key, anybody.',
    source: cis('1.1.21 (keys 600), 1.1.13–1.1.18 (kubeconfigs 600)'),
    fix: 'chmod 600 FILE',
  },
  {
    id: 'certificate-mode',
    severity: 'error',
    what: 'a certificate can be written by more than its owner',
    why: 'Whoever can write a trust bundle decides who is believed.',
    source: cis('1.1.20 (certificates 644 or tighter)'),
    fix: 'chmod 644 FILE',
  },
  {
    id: 'folder-mode',
    severity: 'note',
    what: 'a folder with keys is open to more than its owner',
    why: 'Its keys are one wrong mode away from everybody; a folder that others can write lets them swap a key.',
    source: cis('1.1.19, 1.1.11'),
    fix: 'chmod 700 FOLDER',
  },
  // authorities
  {
    id: 'ca-key-on-worker',
    severity: 'error',
    what: 'a CA’s private key lies on a node that runs no control plane',
    why: 'Whoever gets into that node can sign a certificate for anybody, system:masters included.',
    source: kubernetes('setup/best-practices/certificates/'),
    fix: 'delete it there, and replace the CA if the node was not trusted as much as the control plane',
  },
  {
    id: 'ca-key-beside-leaves',
    severity: 'note',
    what: 'a CA’s private key lies beside the certificates that it signed',
    why: 'The apiserver does not need it; kubeadm can work with an external CA, and only the controller-manager signs.',
    source: kubernetes('tasks/administer-cluster/kubeadm/kubeadm-certs/#external-ca-mode'),
    fix: 'keep it offline (external CA mode), or at least on as few machines as possible',
  },
  {
    id: 'one-ca-for-all',
    severity: 'error',
    what: 'one CA signs for the cluster, etcd and the front proxy alike',
    why: 'Every client certificate opens every door: a kubelet’s reads all Secrets out of etcd.',
    source: cis('2.7 (a unique CA for etcd)'),
    fix: 'give etcd and the front proxy CAs of their own: `trustplane diff one-ca kubeadm` shows what that changes',
  },
  {
    id: 'etcd-trusts-cluster-ca',
    severity: 'error',
    what: 'etcd’s certificates come from the CA that signs the cluster’s clients',
    why: 'etcd asks for nothing but a certificate of its CA: any kubelet or user then reads and writes every object.',
    source: cis('2.7 (a unique CA for etcd)'),
    fix: 'give etcd a CA of its own, and sign apiserver-etcd-client with it',
  },
  {
    id: 'front-proxy-ca-shared',
    severity: 'error',
    what: 'the front proxy’s CA signs other clients, too',
    why: 'With an open or matching --requestheader-allowed-names any of them can say X-Remote-Group: system:masters, and is believed.',
    source: kubernetes('tasks/extend-kubernetes/configure-aggregation-layer/#ca-reusage-and-conflicts'),
    fix: 'give --requestheader-client-ca-file a CA that signs front proxies and nothing else',
  },
  {
    id: 'leaf-outlives-ca',
    severity: 'warning',
    what: 'a certificate ends later than the CA that signed it',
    why: 'It stops working when the CA ends, on a day that nobody looks at.',
    source: 'https://datatracker.ietf.org/doc/html/rfc5280#section-6.1',
    fix: 'renew the CA first, then this one',
  },
  {
    id: 'ca-outside-its-constraints',
    severity: 'warning',
    what: 'a CA’s own name is not permitted by its own name constraints',
    why: 'kubeadm’s CAs have their CN as a DNS SAN, and Go before 1.20 (etcd 3.4) holds a CA’s own SANs against its constraints: it refuses whatever the CA signed.',
    source: 'https://datatracker.ietf.org/doc/html/rfc5280#section-4.2.1.10',
    fix: 'permit the CA’s own name (etcd-ca), or issue the CA without a subjectAltName',
  },
  // dates
  {
    id: 'expired',
    severity: 'error',
    what: 'a certificate has expired',
    why: 'Every connection that shows it, or rests on it, is refused.',
    source: kubernetes('tasks/administer-cluster/kubeadm/kubeadm-certs/'),
    fix: 'trustplane pki renew NAME (kubeadm certs renew NAME), then restart who reads it only at start',
  },
  {
    id: 'expires-soon',
    severity: 'warning',
    what: 'a certificate ends within 28 days',
    why: 'kubeadm renews only at an upgrade; nobody else does it for you.',
    source: 'https://github.com/enix/x509-certificate-exporter (its alert begins at 28 days)',
    fix: 'renew it now, and let a machine do it from now on',
  },
  {
    id: 'not-yet-valid',
    severity: 'warning',
    what: 'a certificate is not valid yet',
    why: 'It was issued by a clock that runs ahead, or this clock is behind: both are refused until then.',
    source: 'https://datatracker.ietf.org/doc/html/rfc5280#section-4.1.2.5',
    fix: 'set the clocks right (chrony), and issue it again',
  },
  {
    id: 'long-lived',
    severity: 'warning',
    what: 'a certificate that is no CA lives longer than 398 days',
    why: 'Kubernetes knows no revocation: a leaked client certificate is good until it ends.',
    source: kubernetes('reference/access-authn-authz/certificate-signing-requests/'),
    fix: 'a year or less, renewed by a machine',
  },
  {
    id: 'long-lived-ca',
    severity: 'note',
    what: 'a CA lives longer than ten years',
    why: 'Nobody who is there when it ends will know how it was made.',
    source: kubernetes('tasks/tls/manual-rotation-of-ca-certificates/'),
    fix: 'ten years at most, and rehearse its rotation: trustplane rehearse',
  },
  // certificates
  {
    id: 'self-signed-serving',
    severity: 'warning',
    what: 'a serving certificate is self-signed',
    why: 'Clients can only pin it or switch verification off, and most do the latter.',
    source: kubernetes('tasks/administer-cluster/kubeadm/kubeadm-certs/#kubelet-serving-certs'),
    fix: 'have a CA sign it: serverTLSBootstrap for kubelets, --tls-cert-file for the controller-manager and scheduler',
  },
  {
    id: 'weak-key',
    severity: 'error',
    what: 'a key is shorter than 2048 bits (RSA) or 256 (ECDSA)',
    why: 'It can be computed; Go refuses RSA below 1024 bits outright.',
    source: 'https://csrc.nist.gov/pubs/sp/800/57/pt1/r5/final',
    fix: 'ECDSA P-256, or RSA of 2048 bits or more',
  },
  {
    id: 'weak-signature',
    severity: 'error',
    what: 'a certificate is signed with SHA-1 or MD5',
    why: 'Go refuses it: x509: cannot verify signature: insecure algorithm.',
    source: 'https://go.dev/doc/go1.18#sha1',
    fix: 'issue it again with SHA-256',
  },
  {
    id: 'cn-only',
    severity: 'error',
    what: 'a serving certificate has no subjectAltName',
    why: 'Go looks at no CN: x509: certificate relies on legacy Common Name field, use SANs instead.',
    source: 'https://go.dev/doc/go1.15#commonname',
    fix: 'issue it again with its names as subjectAltName',
  },
  {
    id: 'key-mismatch',
    severity: 'error',
    what: 'a certificate and the key beside it do not belong together',
    why: 'The component does not start: tls: private key does not match public key.',
    source: 'https://pkg.go.dev/crypto/tls#X509KeyPair',
    fix: 'put back the pair, or issue the certificate for this key',
  },
  {
    id: 'key-shared',
    severity: 'warning',
    what: 'one private key serves several certificates',
    why: 'Whoever leaks it leaks all of them, and neither can be replaced alone.',
    source: 'https://csrc.nist.gov/pubs/sp/800/57/pt1/r5/final',
    fix: 'a key a certificate',
  },
  {
    id: 'kubelet-signed-elsewhere',
    severity: 'warning',
    what: 'a kubelet’s client certificate comes from another CA than the cluster’s',
    why: 'The apiserver answers 401 and the node turns NotReady; or it trusts a second CA that nobody watches.',
    source: kubernetes('reference/access-authn-authz/certificate-signing-requests/#kubernetes-signers'),
    fix: 'let the kubelet ask by CSR (kubernetes.io/kube-apiserver-client-kubelet)',
  },
  // identities
  {
    id: 'masters',
    severity: 'error',
    what: 'system:masters is in a certificate that is not the administrator’s own',
    why: 'RBAC cannot restrict it and nobody can revoke it; automation with it is root for good, and the audit log cannot tell who it was.',
    source: kubernetes('concepts/security/rbac-good-practices/#least-privilege'),
    fix: 'a user or service account of its own with a role that fits; admin.conf since 1.29 is kubeadm:cluster-admins',
  },
  {
    id: 'admin-shared',
    severity: 'warning',
    what: 'an administrator’s certificate is in several files',
    why: 'The audit log shows one name for whoever uses it, and it cannot be taken from one of them alone.',
    source: cis('3.1.1'),
    fix: 'a certificate, or better OIDC, for each person and each machine',
  },
  {
    id: 'verification-off',
    severity: 'error',
    what: 'a kubeconfig switches the verification of the server off',
    why: 'Anybody between can be the apiserver, and is handed the token or gets the commands.',
    source: kubernetes('reference/config-api/kubeconfig.v1/'),
    fix: 'take insecure-skip-tls-verify out, and give certificate-authority-data (and tls-server-name where names differ)',
  },
  // static pods
  {
    id: 'etcd-open',
    severity: 'error',
    what: 'etcd asks its clients, or peers, for no certificate',
    why: 'Whoever reaches the port has every object of the cluster.',
    source: cis('2.2, 2.5'),
    fix: '--client-cert-auth=true with --trusted-ca-file, --peer-client-cert-auth=true with --peer-trusted-ca-file',
  },
  {
    id: 'kubelet-unverified',
    severity: 'warning',
    what: 'the apiserver does not check its kubelets’ certificates',
    why: 'kubectl exec and logs go to whoever answers at that address; it is kubeadm’s default.',
    source: cis('1.2.5'),
    fix: '--kubelet-certificate-authority, with serving certificates that the CA signed',
  },
  {
    id: 'old-tls',
    severity: 'error',
    what: 'a component allows TLS below 1.2',
    why: 'TLS 1.0 and 1.1 are broken and withdrawn.',
    source: 'https://datatracker.ietf.org/doc/html/rfc8996',
    fix: '--tls-min-version=VersionTLS12',
  },
  {
    id: 'audit-off',
    severity: 'warning',
    what: 'the apiserver keeps no audit log',
    why: 'With it nobody can tell afterwards what a leaked certificate did.',
    source: cis('3.2.1, 1.2.16'),
    fix: '--audit-policy-file and --audit-log-path',
  },
] as const satisfies readonly Rule[]

export type RuleId = (typeof rules)[number]['id']

export const ruleOf = (id: RuleId): Rule => rules.find(rule => rule.id === id)!
