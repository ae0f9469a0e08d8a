/** Small random PKIs: CAs that share names and keys, cross-sign, expire, are constrained or no CAs at all; and a leaf somewhere below. */
import {
  type CertificateSpec,
  extension,
  type Issued,
  issueCertificate,
  type KeyPairObjects,
  nameConstraints,
  p256,
} from './authority.ts'
import { type Der, element, explicit, ia5, integer, oid, sequence } from './der-writer.ts'
import type { Random } from './random.ts'

export interface RandomCase {
  chain: Issued[]
  roots: Issued[]
  usage: 'serverAuth' | 'clientAuth' | 'any'
  name?: string
  now: Date
}

/** A few keys for all: many certificates with one key is what makes paths cross. */
const keys: KeyPairObjects[] = []
const keyOf = (random: Random): KeyPairObjects => {
  if (keys.length === 0) keys.push(...Array.from({ length: 6 }, p256))
  return random.pick(keys)
}

const commonNames = ['ca', 'ca', 'ca-2', 'intermediate', '']
const hosts = [
  'localhost',
  'a.example',
  'b.a.example',
  'example',
  '*.example',
  'A.Example',
  'x_y.example',
  'other',
  '*',
  'a.example.',
  '.example',
]
const ips = ['7f000001', '0a000001', '00000000000000000000000000000001', '00000000000000000000ffff7f000001']
const emails = ['a@example', 'a@b.example', 'bad', '"q u"@example', 'a@.example', 'A@EXAMPLE']
const uris = [
  'https://a.example/x',
  'https://a.example:8443/x',
  'spiffe://example/ns/x',
  'urn:x:y',
  'https://127.0.0.1/',
  'https://[::1]:1/',
  '/relative',
]
const dialled = [
  'localhost',
  'a.example',
  'a.example.',
  'A.EXAMPLE',
  'other',
  '127.0.0.1',
  '::1',
  '[::1]',
  '10.0.0.1',
  'b.a.example',
  'x_y.example',
  'c.example',
  '*.example',
  'ca',
  '::ffff:127.0.0.1',
]

const some = <T>(random: Random, from: readonly T[], most: number): T[] =>
  Array.from({ length: random.below(most + 1) }, () => random.pick(from))

function randomConstraints(random: Random): Der {
  const base = (): Der => {
    switch (random.below(5)) {
      case 0:
      case 1:
        return ia5(0x82, random.pick(['example', '.example', 'a.example', 'localhost', '', 'EXAMPLE']))
      case 2:
        return element(
          0x87,
          Buffer.from(random.pick(['7f000000ff000000', '0a000000ff000000', '0'.repeat(64), 'ffffffffffffffff']), 'hex'),
        )
      case 3:
        return ia5(0x81, random.pick(['example', '.example', 'a@example', 'b@example']))
      default:
        return ia5(0x86, random.pick(['example', '.example', 'a.example']))
    }
  }
  const list = () => Array.from({ length: 1 + random.below(2) }, base)
  const permitted = random.chance(0.6) ? list() : []
  const excluded = permitted.length === 0 || random.chance(0.4) ? list() : []
  return nameConstraints(permitted, excluded, random.chance(0.5))
}

const policyOids = ['1.2.3.4', '1.2.3.5', '2.5.29.32.0']

function randomPolicies(random: Random): Der[] {
  const chosen = [...new Set(some(random, policyOids, 2))]
  return [
    ...(chosen.length > 0
      ? [extension('2.5.29.32', random.chance(0.3), sequence(...chosen.map(id => sequence(oid(id)))))]
      : []),
    ...(random.chance(0.4)
      ? [
          extension(
            '2.5.29.36',
            random.chance(0.5),
            sequence(
              element(0x80, [random.below(3)]),
              ...(random.chance(0.3) ? [element(0x81, [random.below(2)])] : []),
            ),
          ),
        ]
      : []),
    ...(random.chance(0.2) ? [extension('2.5.29.54', random.chance(0.5), integer(random.below(3)))] : []),
    ...(random.chance(0.2)
      ? [
          extension(
            '2.5.29.33',
            random.chance(0.3),
            sequence(sequence(oid(random.pick(policyOids)), oid(random.pick(policyOids)))),
          ),
        ]
      : []),
  ]
}

function randomSpec(random: Random, isAuthority: boolean): CertificateSpec {
  const expired = random.chance(0.07)
  const early = random.chance(0.05)
  const keyIds = [Buffer.from('aa', 'hex'), Buffer.from('bb', 'hex'), null]
  return {
    keys: keyOf(random),
    subject: random.chance(0.05)
      ? { organizations: ['team'], commonName: '' }
      : { commonName: isAuthority ? random.pick(commonNames) : random.pick(['leaf', 'localhost', 'ca']) },
    version: random.chance(0.05) ? (random.chance(0.5) ? 1 : 2) : 3,
    ...(expired ? { notAfter: new Date('2025-01-01T00:00:00Z') } : {}),
    ...(early ? { notBefore: new Date('2040-01-01T00:00:00Z') } : {}),
    ...(isAuthority
      ? random.chance(0.9)
        ? { isCa: true }
        : random.chance(0.5)
          ? { isCa: false }
          : {}
      : random.chance(0.5)
        ? { isCa: false }
        : {}),
    ...(isAuthority && random.chance(0.2) ? { isCa: true, pathLength: random.below(2) } : {}),
    ...(random.chance(0.5) ? { keyUsage: random.chance(0.85) ? [0, 5] : random.chance(0.5) ? [0] : [] } : {}),
    ...(random.chance(isAuthority ? 0.15 : 0.6)
      ? { usages: some(random, ['serverAuth', 'clientAuth', 'any', '1.2.3.4'], 2) }
      : {}),
    ...(random.chance(isAuthority ? 0.1 : 0.85)
      ? {
          dnsNames: some(random, hosts, 3),
          ipAddresses: some(random, ips, 2).map(hex => Buffer.from(hex, 'hex')),
          emailAddresses: random.chance(0.3) ? some(random, emails, 1) : [],
          uris: random.chance(0.3) ? some(random, uris, 1) : [],
        }
      : {}),
    subjectKeyId: isAuthority ? random.pick(keyIds) : null,
    authorityKeyId: random.pick([undefined, undefined, ...keyIds]),
    extensions: [
      ...(random.chance(isAuthority ? 0.12 : 0.03) ? [randomConstraints(random)] : []),
      ...(random.chance(0.12) ? randomPolicies(random) : []),
      ...(random.chance(0.03) ? [extension('1.2.3.4.5', random.chance(0.5), Buffer.from('00'))] : []),
      ...(random.chance(0.02)
        ? [extension('2.5.29.31', false, sequence(sequence(explicit(0, explicit(0, ia5(0x86, 'http://c'))))))]
        : []),
    ],
    ...(random.chance(0.03) ? { hash: random.pick(['sha1', 'sha224', 'sha384', 'sha512'] as const) } : {}),
  }
}

export function randomCase(random: Random): RandomCase {
  const all: Issued[] = []
  const count = 1 + random.below(6)
  for (let i = 0; i < count; i++) {
    const issuer = all.length > 0 && random.chance(0.6) ? random.pick(all) : undefined
    all.push(issueCertificate(issuer, randomSpec(random, true)))
  }
  const leaf = issueCertificate(random.chance(0.95) ? random.pick(all) : undefined, randomSpec(random, false))
  const roots = all.filter((_, index) => (index === 0 ? random.chance(0.85) : random.chance(0.25)))
  if (random.chance(0.03)) roots.push(leaf)
  const sent = all.filter(() => random.chance(0.7))
  if (random.chance(0.2)) sent.reverse()
  return {
    chain: [leaf, ...sent],
    roots,
    usage: random.pick(['serverAuth', 'serverAuth', 'clientAuth', 'any']),
    ...(random.chance(0.6) ? { name: random.pick(dialled) } : {}),
    now: new Date('2026-06-01T00:00:00Z'),
  }
}
