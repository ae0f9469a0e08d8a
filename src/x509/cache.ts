/**
 * Verdicts remembered, so that a peer that comes again costs next to nothing.
 * What is remembered can never outlive what it rests on: it is looked up by the exact bundle, it holds only until the next moment
 * at which any certificate involved begins or ceases to be valid, and revocation lists are asked every time.
 */
import { parseCertificate } from './certificate.ts'
import { sameMembers } from './certificate-pool.ts'
import { revocation } from './crl.ts'
import { CertificateParseError } from './errors.ts'
import type { Certificate, Verdict, VerifyOptions, Voice } from './types.ts'
import { verify } from './verify.ts'

export interface VerdictCache {
  /** As `verify`. A chain or bundle given as PEM text is not remembered. */
  verify(options: VerifyOptions): Verdict
  /** As `parseCertificate`: the same object for the same bytes, as long as it is remembered. */
  parse(der: Uint8Array, voice: Voice): Certificate
}

interface Entry {
  /** Members of the bundle and intermediates when the verdict was made: an array that was changed in place does not match. */
  roots: readonly Certificate[]
  intermediates: readonly Certificate[]
  /** Milliseconds, both inclusive, between which the verdict and its words are what they are. */
  from: number
  until: number
  verdict: Verdict
}

const tidyEvery = 64

/** Longer ones are rare, and a flood of them should not fill the memory. */
const maxDerBytes = 16_384

export function createVerdictCache({ maxEntries = 1000 }: { maxEntries?: number } = {}): VerdictCache {
  const certificates = new Map<string, Certificate>()
  const byBundle = new WeakMap<readonly Certificate[], Map<string, Entry>>()

  const parse = (der: Uint8Array, voice: Voice): Certificate => {
    if (der.length > maxDerBytes) return parseCertificate(der, voice)
    const bytes = Buffer.from(der.buffer, der.byteOffset, der.byteLength)
    // the end of the signature tells certificates apart, a comparison makes sure
    const key = voice + bytes.toString('latin1', Math.max(0, bytes.length - 24))
    const known = certificates.get(key)
    if (known && bytes.equals(known.der)) return known
    // a copy: the bytes may be part of a buffer that is written to again
    const certificate = parseCertificate(Uint8Array.from(der), voice)
    if (certificates.size >= maxEntries) certificates.clear()
    certificates.set(key, certificate)
    return certificate
  }

  /** What has ended holds no more: certificates that live for a minute must not fill the memory. */
  const tidy = (entries: Map<string, Entry>, now: number) => {
    for (const [key, { until }] of entries) if (until < now) entries.delete(key)
    for (const [key, { notAfter }] of certificates) if (notAfter.getTime() < now) certificates.delete(key)
  }

  const lookUp = (options: VerifyOptions & CacheableOptions, voice: Voice): Verdict => {
    const { chain, roots, intermediates = [], usage, name = '', now } = options
    let entries = byBundle.get(roots)
    if (!entries) {
      entries = new Map()
      byBundle.set(roots, entries)
    }
    let key = `${voice} ${usage} ${name}`
    for (const { sha256 } of chain) key += ` ${sha256}`
    const time = now.getTime()
    const entry = entries.get(key)
    const holds =
      entry &&
      time >= entry.from &&
      time <= entry.until &&
      sameMembers(entry.roots, roots) &&
      sameMembers(entry.intermediates, intermediates)
    if (holds) return entry.verdict
    const { crls: _, ...rest } = options
    const verdict = verify({ ...rest, voice })
    if (entries.size >= maxEntries) entries.clear()
    else if (entries.size % tidyEvery === tidyEvery - 1) tidy(entries, time)
    const window = holdsFor(verdict, [...chain, ...roots, ...intermediates], time)
    entries.set(key, { roots: [...roots], intermediates: [...intermediates], ...window, verdict })
    return verdict
  }

  return {
    parse,
    verify(options) {
      const { voice = 'go1.24', chain, roots, intermediates = [], crls = [] } = options
      if (!isParsed(roots) || !isParsed(intermediates) || typeof chain === 'string') return verify(options)
      let parsed: readonly Certificate[]
      try {
        parsed = isParsed(chain) ? chain : chain.map(der => (der instanceof Uint8Array ? parse(der, voice) : der))
      } catch (error) {
        if (error instanceof CertificateParseError) return verify(options)
        throw error
      }
      const verdict = lookUp({ ...options, chain: parsed, roots, intermediates }, voice)
      return verdict.verdict === 'accept' ? (revocation(parsed, crls) ?? verdict) : verdict
    },
  }
}

interface CacheableOptions {
  chain: readonly Certificate[]
  roots: readonly Certificate[]
  intermediates: readonly Certificate[]
}

function isParsed(list: VerifyOptions['roots']): list is readonly Certificate[] {
  return typeof list !== 'string' && (list.length === 0 || !list.some(member => member instanceof Uint8Array))
}

/** The longest time around `now` in which no certificate's validity begins or ends; a message that tells the time holds for its second. */
function holdsFor(verdict: Verdict, involved: readonly Certificate[], now: number): { from: number; until: number } {
  let [from, until] = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]
  if (verdict.verdict === 'reject' && verdict.message.includes('current time')) {
    from = Math.floor(now / 1000) * 1000
    until = from + 999
  }
  for (const { notBefore, notAfter } of involved) {
    const [begin, end] = [notBefore.getTime(), notAfter.getTime()]
    // both ends are inside the validity
    if (now < begin) until = Math.min(until, begin - 1)
    else from = Math.max(from, begin)
    if (now > end) from = Math.max(from, end + 1)
    else until = Math.min(until, end)
  }
  return { from, until }
}
