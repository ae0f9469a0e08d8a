/** What Go offers and takes, in OpenSSL's names: cipher suites, groups, signature algorithms, by voice. */
import { createSecureContext } from 'node:tls'
import type { Voice } from '#x509/types.ts'

interface Suite {
  /** IANA's and Go's. */
  name: string
  openssl: string
  id: number
  /** In whose defaults: both voices, Go 1.19 alone (static RSA and 3DES left them in 1.22 and 1.23), or only by `--tls-cipher-suites`. */
  defaultOf: 'both' | 'go1.19' | 'none'
}

/** TLS 1.2's, in Go's order of preference (crypto/tls cipherSuitesPreferenceOrder). RC4 is left out: OpenSSL 3 has none. */
const cipherSuites: readonly Suite[] = [
  suite('TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256', 'ECDHE-ECDSA-AES128-GCM-SHA256', 0xc02b),
  suite('TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256', 'ECDHE-RSA-AES128-GCM-SHA256', 0xc02f),
  suite('TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384', 'ECDHE-ECDSA-AES256-GCM-SHA384', 0xc02c),
  suite('TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384', 'ECDHE-RSA-AES256-GCM-SHA384', 0xc030),
  suite('TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256', 'ECDHE-ECDSA-CHACHA20-POLY1305', 0xcca9),
  suite('TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256', 'ECDHE-RSA-CHACHA20-POLY1305', 0xcca8),
  suite('TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA', 'ECDHE-ECDSA-AES128-SHA', 0xc009),
  suite('TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA', 'ECDHE-RSA-AES128-SHA', 0xc013),
  suite('TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA', 'ECDHE-ECDSA-AES256-SHA', 0xc00a),
  suite('TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA', 'ECDHE-RSA-AES256-SHA', 0xc014),
  suite('TLS_RSA_WITH_AES_128_GCM_SHA256', 'AES128-GCM-SHA256', 0x009c, 'go1.19'),
  suite('TLS_RSA_WITH_AES_256_GCM_SHA384', 'AES256-GCM-SHA384', 0x009d, 'go1.19'),
  suite('TLS_RSA_WITH_AES_128_CBC_SHA', 'AES128-SHA', 0x002f, 'go1.19'),
  suite('TLS_RSA_WITH_AES_256_CBC_SHA', 'AES256-SHA', 0x0035, 'go1.19'),
  suite('TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA', 'ECDHE-RSA-DES-CBC3-SHA', 0xc012, 'go1.19'),
  suite('TLS_RSA_WITH_3DES_EDE_CBC_SHA', 'DES-CBC3-SHA', 0x000a, 'go1.19'),
  suite('TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256', 'ECDHE-ECDSA-AES128-SHA256', 0xc023, 'none'),
  suite('TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256', 'ECDHE-RSA-AES128-SHA256', 0xc027, 'none'),
  suite('TLS_RSA_WITH_AES_128_CBC_SHA256', 'AES128-SHA256', 0x003c, 'none'),
]

/** Go takes these names in `--tls-cipher-suites`, too; TLS 1.3's are not configurable, so they change nothing. */
const otherNames: Record<string, string | undefined> = {
  TLS_AES_128_GCM_SHA256: undefined,
  TLS_AES_256_GCM_SHA384: undefined,
  TLS_CHACHA20_POLY1305_SHA256: undefined,
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305: 'TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256',
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305: 'TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256',
}

function suite(name: string, openssl: string, id: number, defaultOf: Suite['defaultOf'] = 'both'): Suite {
  return { name, openssl, id, defaultOf }
}

/** The names in `names` that Go does not know, for the flag's error. */
export const unknownCipherSuites = (names: readonly string[]): string[] =>
  names.filter(name => !(name in otherNames) && !cipherSuites.some(s => s.name === name))

/** TLS 1.3's in Go's order on a machine with AES instructions; `@SECLEVEL=0`: OpenSSL loads what Go loads, our verifier judges it. */
const tls13 = 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256'

/** For node:tls's `ciphers`. */
export function opensslCiphers(voice: Voice, names?: readonly string[]): string {
  const wanted = names && new Set(names.map(name => otherNames[name] ?? name))
  const chosen = cipherSuites.filter(s =>
    wanted ? wanted.has(s.name) : s.defaultOf === 'both' || (s.defaultOf === 'go1.19' && voice === 'go1.19'),
  )
  return [tls13, ...chosen.map(s => s.openssl), '@SECLEVEL=0'].join(':')
}

/** crypto/tls defaultSupportedSignatureAlgorithms. A client whose key fits none of them presents no certificate (P-224, Ed448, …). */
export const signatureAlgorithms = [
  'rsa_pss_rsae_sha256',
  'ecdsa_secp256r1_sha256',
  'ed25519',
  'rsa_pss_rsae_sha384',
  'rsa_pss_rsae_sha512',
  'rsa_pkcs1_sha256',
  'rsa_pkcs1_sha384',
  'rsa_pkcs1_sha512',
  'ecdsa_secp384r1_sha384',
  'ecdsa_secp521r1_sha512',
  'rsa_pkcs1_sha1',
  'ecdsa_sha1',
].join(':')

const classic = 'X25519:P-256:P-384:P-521'
let postQuantum: boolean | undefined

/** For node:tls's `ecdhCurve`. Go has X25519MLKEM768 since 1.24, OpenSSL since 3.5. */
export function groups(voice: Voice): string {
  if (voice === 'go1.19') return classic
  if (postQuantum === undefined) {
    try {
      createSecureContext({ ecdhCurve: 'X25519MLKEM768', ca: [] })
      postQuantum = true
    } catch {
      postQuantum = false
    }
  }
  return postQuantum ? `X25519MLKEM768:${classic}` : classic
}
