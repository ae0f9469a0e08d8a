/** Go's Certificate.CheckSignatureFrom: may `parent` have signed `child`, and did it? */
import { constants, verify as verifySignature } from 'node:crypto'
import { type Failure, failure } from './failure.ts'
import { keyObjectOf } from './key-objects.ts'
import type { Certificate, Voice } from './types.ts'

const unsupported = 'x509: cannot verify signature: algorithm unimplemented'

/** undefined when the signature holds; otherwise what Go gives as the hint. */
export function checkSignatureFrom(child: Certificate, parent: Certificate, voice: Voice): Failure | undefined {
  const { basicConstraints, keyUsage } = parent
  // RFC 5280 §4.2.1.9. A v1 certificate has no basicConstraints, and as a root is let through.
  const isNoCa = basicConstraints ? !basicConstraints.isCa : parent.version === 3
  // a keyUsage without any bit counts as absent
  if (isNoCa || (keyUsage?.length && !keyUsage.includes('keyCertSign'))) {
    const message = 'x509: invalid signature: parent certificate cannot sign this kind of certificate'
    return failure('not-a-ca', message, parent)
  }
  if (parent.publicKeyAlgorithm === 'unknown') return failure('unknown-authority', unsupported, parent)
  return checkSignature(child, parent, voice)
}

/** Go's checkSignature. */
function checkSignature(child: Certificate, parent: Certificate, voice: Voice): Failure | undefined {
  const { name, hash, keyAlgorithm } = child.details.signatureAlgorithm
  if (hash === 'md5' || hash === 'sha1') {
    // only these two had the override, and only until Go 1.23 (go.dev/issue/41682)
    const overridable = voice === 'go1.19' && (name === 'SHA1-RSA' || name === 'ECDSA-SHA1')
    const override = overridable ? ' (temporarily override with GODEBUG=x509sha1=1)' : ''
    const message = `x509: cannot verify signature: insecure algorithm ${name}${override}`
    return failure('weak-signature', message, child)
  }
  if (!hash && keyAlgorithm !== 'Ed25519') return failure('unknown-authority', unsupported, child)
  const key = parent.details.publicKey
  if (key.algorithm === 'DSA' || key.algorithm === 'unknown') return failure('unknown-authority', unsupported, parent)
  if (key.algorithm !== keyAlgorithm) {
    const have = { RSA: '*rsa.PublicKey', ECDSA: '*ecdsa.PublicKey', Ed25519: 'ed25519.PublicKey' }[key.algorithm]
    const message = `x509: signature algorithm specifies an ${keyAlgorithm} public key, but have public key of type ${have}`
    return failure('unknown-authority', message, parent)
  }
  if (key.algorithm === 'RSA') {
    const weak = checkRsaKey(key, voice)
    if (weak) return failure(weak.startsWith('crypto/rsa: public') ? 'unknown-authority' : 'weak-key', weak, parent)
  }
  if (isSignedBy(child, parent, voice)) return undefined
  const message = {
    RSA: 'crypto/rsa: verification error',
    ECDSA: 'x509: ECDSA verification failure',
    Ed25519: 'x509: Ed25519 verification failure',
  }[key.algorithm]
  return failure('unknown-authority', message, parent)
}

/** What crypto/rsa refuses about a key before it looks at the signature. */
export function checkRsaKey(
  { modulus, bits, exponent }: { modulus: bigint; bits: number; exponent: bigint },
  voice: Voice,
): string | undefined {
  // Go 1.19 looks at none of it when it verifies
  if (voice === 'go1.19') return undefined
  if (bits < 1024) {
    return `crypto/rsa: ${bits}-bit keys are insecure (see https://go.dev/pkg/crypto/rsa#hdr-Minimum_key_size)`
  }
  if (modulus % 2n === 0n) return 'crypto/rsa: public modulus is even'
  if (exponent < 2n) return 'crypto/rsa: public exponent too small or negative'
  if (exponent % 2n === 0n) return 'crypto/rsa: public exponent is even'
  return exponent >= 2n ** 31n ? 'crypto/rsa: public exponent too large' : undefined
}

/** Known signatures by child and parent: a pair of immutable certificates never changes its answer. */
const known = new WeakMap<Certificate, WeakMap<Certificate, boolean>>()

function isSignedBy(child: Certificate, parent: Certificate, voice: Voice): boolean {
  const { signature } = child.details
  const key = parent.details.publicKey
  const reduced = voice === 'go1.19' && key.algorithm === 'RSA' ? reduce(signature, key) : undefined
  if (reduced) return verifyOnce(child, parent, reduced)
  const byParent = known.get(child) ?? new WeakMap<Certificate, boolean>()
  known.set(child, byParent)
  const holds = byParent.get(parent) ?? verifyOnce(child, parent, signature)
  byParent.set(parent, holds)
  return holds
}

/** RFC 8017 §5.2.2 refuses a signature that is not below the modulus; Go 1.19 takes its remainder. */
function reduce(signature: Uint8Array, { modulus, bits }: { modulus: bigint; bits: number }): Uint8Array | undefined {
  if (signature.length !== Math.ceil(bits / 8)) return undefined
  const value = BigInt(`0x${Buffer.from(signature).toString('hex')}`)
  if (value < modulus) return undefined
  return Buffer.from((value % modulus).toString(16).padStart(signature.length * 2, '0'), 'hex')
}

function verifyOnce(child: Certificate, parent: Certificate, signature: Uint8Array): boolean {
  const { tbs, signatureAlgorithm } = child.details
  try {
    const key = keyObjectOf(parent.details.publicKey)
    if (!key) return false
    const { hash, pss } = signatureAlgorithm
    const options = pss
      ? { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
      : key
    return verifySignature(hash ?? null, tbs, options, signature)
  } catch {
    // OpenSSL cannot read the key or the signature
    return false
  }
}
