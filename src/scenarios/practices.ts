/** Good practice with certificates: a row a rule. Scenarios show each kept and broken; test/scenarios/catalogue.test.ts holds them to it. */

export interface Practice {
  name: string
  /** As it is said to people: `Do …` or `Don't …`, without a full stop. */
  rule: string
}

export const practices = [
  { name: 'separate-etcd-ca', rule: 'Do give etcd a CA of its own' },
  { name: 'guarded-ca-key', rule: 'Do guard ca.key: whoever reads it is an administrator' },
  { name: 'periodic-rotation', rule: 'Do rotate periodically, before anything expires' },
  { name: 'short-lifetimes', rule: 'Do give certificates short lifetimes: they cannot be taken back' },
  { name: 'key-mode', rule: 'Do keep private keys 0600' },
  { name: 'automation', rule: 'Do let a machine renew what expires' },
  { name: 'modern-tls', rule: 'Do speak TLS 1.2 and newer only' },
  { name: 'audit-log', rule: 'Do keep an audit log' },
  { name: 'shared-ca-key', rule: "Don't share ca.key between clusters" },
  { name: 'self-signed', rule: "Don't serve self-signed certificates in production" },
  { name: 'verification-off', rule: "Don't switch verification off" },
  { name: 'expired', rule: "Don't let certificates expire" },
  { name: 'admin-for-automation', rule: "Don't give automation the administrator's certificate" },
  { name: 'keys-in-git', rule: "Don't put keys into Git or images" },
] as const satisfies readonly Practice[]
