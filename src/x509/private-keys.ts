/** What Go finds in a private key when it parses it, and OpenSSL takes as it is: a damaged key loads there, and signs what nobody can check. */
import { createECDH, type KeyObject } from 'node:crypto'
import { DerReader, tag } from './der.ts'
import type { Voice } from './types.ts'

/** rsa.PrivateKey.Validate: the numbers fit each other. Go 1.24 looks at those of the CRT in place of d; Go 1.19 makes them anew from it. */
export function isConsistentRsa(key: KeyObject, voice: Voice): boolean {
  const { version, numbers } = rsaNumbers(key)
  // more than two primes: node:crypto shows only two
  if (version !== 0n) return true
  const [n = 0n, e = 0n, d = 0n, p = 0n, q = 0n, dp = 0n, dq = 0n, inverse = 0n] = numbers
  if (e < 2n || e >= 2n ** 31n || p < 2n || q < 2n || p * q !== n) return false
  const inverts = (exponent: bigint, prime: bigint) => (exponent * e - 1n) % (prime - 1n) === 0n
  if (voice === 'go1.19') return inverts(d, p) && inverts(d, q)
  return d < n && inverts(dp, p) && inverts(dq, q) && (inverse * q) % p === 1n
}

/** RFC 8017 A.1.2. */
function rsaNumbers(key: KeyObject): { version: bigint | undefined; numbers: bigint[] } {
  const sequence = new DerReader(key.export({ format: 'der', type: 'pkcs1' })).enter(tag.sequence)
  const version = sequence?.integer()
  const numbers: bigint[] = []
  while (sequence && !sequence.empty) numbers.push(sequence.integer() ?? 0n)
  return { version, numbers }
}

/** The point that belongs to an EC key's number: Go computes it, and does not look at the one in the file. */
export function pointOf(key: KeyObject): Uint8Array | undefined {
  try {
    const sequence = new DerReader(key.export({ format: 'der', type: 'sec1' })).enter(tag.sequence)
    sequence?.integer()
    const ecdh = createECDH(key.asymmetricKeyDetails?.namedCurve ?? '')
    const number = sequence?.read(tag.octetString) ?? new Uint8Array()
    // the point at infinity, which is no certificate's
    if (number.every(byte => byte === 0)) return number
    ecdh.setPrivateKey(number)
    return ecdh.getPublicKey()
  } catch {
    // not below the order of the curve
    return undefined
  }
}
