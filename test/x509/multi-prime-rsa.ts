/** An RSA key of five primes (RFC 8017 §3): two that are large enough for more than 8192 bits take half a minute to find. */
import { createPrivateKey, createPublicKey, generatePrimeSync, type KeyObject } from 'node:crypto'
import { integer, sequence } from './der-writer.ts'

const exponent = 65_537n

/** Of `bits`, or one or two less: of a generated prime only the two highest bits are sure to be set. */
export function multiPrimeRsa(bits: number): { publicKey: KeyObject; privateKey: KeyObject } {
  const primes = Array.from({ length: 5 }, () => suitablePrime(bits / 5))
  const modulus = product(primes)
  const d = inverse(exponent, product(primes.map(prime => prime - 1n)))
  const [p = 0n, q = 0n, ...others] = primes
  const otherPrimes = others.map((prime, index) =>
    sequence(
      integer(prime),
      integer(d % (prime - 1n)),
      integer(inverse(product(primes.slice(0, index + 2)) % prime, prime)),
    ),
  )
  const key = sequence(
    integer(1),
    ...[modulus, exponent, d, p, q, d % (p - 1n), d % (q - 1n), inverse(q % p, p)].map(integer),
    sequence(...otherPrimes),
  )
  const privateKey = createPrivateKey({ key, format: 'der', type: 'pkcs1' })
  return { privateKey, publicKey: createPublicKey(privateKey) }
}

function suitablePrime(bits: number): bigint {
  const prime = generatePrimeSync(bits, { bigint: true })
  return (prime - 1n) % exponent === 0n ? suitablePrime(bits) : prime
}

const product = (numbers: readonly bigint[]) => numbers.reduce((a, b) => a * b, 1n)

/** Of `value` modulo `modulus`, by Euclid. */
function inverse(value: bigint, modulus: bigint): bigint {
  let [r, nextR, x, nextX] = [modulus, value, 0n, 1n]
  while (nextR > 0n) [r, nextR, x, nextX] = [nextR, r % nextR, nextX, x - (r / nextR) * nextX]
  return ((x % modulus) + modulus) % modulus
}
