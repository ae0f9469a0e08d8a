/** Go's x509.CertPool: certificates by subject, each once. */
import { equalBytes } from './der.ts'
import type { Certificate } from './types.ts'

const none = new Uint8Array()
const keyOf = (der: Uint8Array) => Buffer.from(der.buffer, der.byteOffset, der.byteLength).toString('latin1')

export class CertificatePool {
  private readonly bySubject = new Map<string, Certificate[]>()
  private readonly fingerprints = new Set<string>()

  constructor(certificates: readonly Certificate[]) {
    for (const certificate of certificates) {
      if (this.fingerprints.has(certificate.sha256)) continue
      this.fingerprints.add(certificate.sha256)
      const key = keyOf(certificate.subject.der)
      const twins = this.bySubject.get(key)
      if (twins) twins.push(certificate)
      else this.bySubject.set(key, [certificate])
    }
  }

  /** Byte for byte. */
  contains(certificate: Certificate): boolean {
    return this.fingerprints.has(certificate.sha256)
  }

  /**
   * findPotentialParents: those whose subject is the child's issuer, byte for byte, the likeliest first.
   * Key ids only sort; they never exclude.
   */
  potentialParents(child: Certificate): readonly Certificate[] {
    const candidates = this.bySubject.get(keyOf(child.issuer.der)) ?? []
    if (candidates.length < 2) return candidates
    const wanted = child.authorityKeyId ?? none
    const rank = ({ subjectKeyId = none }: Certificate) => {
      if (equalBytes(subjectKeyId, wanted)) return 0
      return (subjectKeyId.length === 0) !== (wanted.length === 0) ? 1 : 2
    }
    return candidates.toSorted((a, b) => rank(a) - rank(b))
  }
}

const pools = new WeakMap<readonly Certificate[], { members: readonly Certificate[]; pool: CertificatePool }>()

/** The pool of a bundle, made once for each array; an array that was changed in place gets another. */
export function poolOf(certificates: readonly Certificate[]): CertificatePool {
  const known = pools.get(certificates)
  if (known && sameMembers(known.members, certificates)) return known.pool
  const pool = new CertificatePool(certificates)
  pools.set(certificates, { members: [...certificates], pool })
  return pool
}

/** The same objects in the same order. */
export function sameMembers(a: readonly Certificate[], b: readonly Certificate[]): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}
