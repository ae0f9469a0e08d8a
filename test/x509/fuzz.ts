/**
 * Throws broken certificates and random chains at the verifier: `node test/x509/fuzz.ts [COUNT] [SEED]` (10,000 and a random seed).
 * It must not crash, not take long, and never accept what OpenSSL and the rules written down here both refuse.
 * The rules are a second, plain reading of RFC 5280, far from Go's code: every signature of an accepted chain by Node's
 * X509Certificate, names, dates, CA bits, path lengths and usages along it, and that it ends in the bundle.
 */
import { X509Certificate } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { TrustplaneError } from '#errors.ts'
import { parseCertificate } from '#x509/certificate.ts'
import { readBundle } from '#x509/pem.ts'
import type { Certificate, Usage, Verdict, Voice } from '#x509/types.ts'
import { verify } from '#x509/verify.ts'
import { pemOf } from './authority.ts'
import { mutateBytes, mutateStructure } from './mutate.ts'
import { oracleCases } from './oracle.ts'
import { Random } from './random.ts'
import { randomCase } from './random-chains.ts'

interface Input {
  chain: Uint8Array[]
  roots: Uint8Array[]
  usage: Usage
  name?: string
  now: Date
  voice: Voice
}

export interface FuzzReport {
  inputs: number
  accepted: number
  refused: number
  malformed: number
  /** The most CPU that one input took. */
  slowestMs: number
  /** What must not be: each with its input, to try again. */
  failures: string[]
}

/** CPU, not wall time: the machine has other things to do. A garbage collection may fall into any input, so a slow one is tried again. */
const limitMs = 50

export function fuzz(count: number, seed: number): FuzzReport {
  const random = new Random(seed)
  const seeds = seedsOf(random)
  const report: FuzzReport = { inputs: count, accepted: 0, refused: 0, malformed: 0, slowestMs: 0, failures: [] }
  for (let i = 0; i < count; i++) {
    const input = randomInput(random, seeds)
    const fail = (what: string) => report.failures.push(`seed ${seed}, input ${i}: ${what}\n${show(input)}`)
    let verdict: Verdict
    try {
      let ms = cpuOf(() => verify(input))
      for (let again = 0; ms > limitMs && again < 3; again++)
        ms = Math.min(
          ms,
          cpuOf(() => verify(input)),
        )
      report.slowestMs = Math.max(report.slowestMs, ms)
      if (ms > limitMs) fail(`took ${ms.toFixed(0)} ms`)
      verdict = verify(input)
      readAnyBundle(random, input)
    } catch (error) {
      fail(`threw ${String(error)}`)
      continue
    }
    if (verdict.verdict === 'reject') {
      if (verdict.reason === 'malformed') report.malformed++
      else report.refused++
      continue
    }
    report.accepted++
    const wrong = verdict.chains.map(chain => whatIsWrong(chain, input)).find(Boolean)
    if (wrong && !opensslAccepts(verdict.chains[0]!)) fail(`was accepted, and ${wrong}`)
  }
  return report
}

function cpuOf(call: () => void): number {
  const began = process.cpuUsage()
  call()
  const { user, system } = process.cpuUsage(began)
  return (user + system) / 1000
}

interface Seeds {
  certificates: Uint8Array[]
  cases: { chain: Uint8Array[]; roots: Uint8Array[]; usage: Usage; name?: string; now: Date }[]
}

function seedsOf(random: Random): Seeds {
  const measured = oracleCases()
    .filter(({ layer, chain }) => layer === 'certificate' && chain.length < 8000)
    .map(({ chain, roots, usage, name, at }) => ({
      chain: blocks(chain),
      roots: blocks(roots),
      usage,
      ...(usage === 'serverAuth' && name ? { name } : {}),
      now: new Date(at),
    }))
  const made = Array.from({ length: 300 }, () => {
    const { chain, roots, ...rest } = randomCase(random)
    return { ...rest, chain: chain.map(({ der }) => der), roots: roots.map(({ der }) => der) }
  })
  const cases = [...measured, ...made].filter(({ chain }) => chain.length > 0)
  return { cases, certificates: cases.flatMap(({ chain }) => chain) }
}

const blocks = (pem: string): Uint8Array[] =>
  [...pem.matchAll(/-----BEGIN CERTIFICATE-----([^-]*)-----END/g)].map(([, base64]) => Buffer.from(base64!, 'base64'))

function randomInput(random: Random, seeds: Seeds): Input {
  const voice = random.chance(0.7) ? 'go1.24' : 'go1.19'
  const base = random.pick(seeds.cases)
  const input: Input = { ...base, chain: [...base.chain], roots: [...base.roots], voice }
  // chains as they are, in another order, with strangers; then broken ones
  if (random.chance(0.3)) input.chain.splice(random.below(input.chain.length + 1), 0, random.pick(seeds.certificates))
  if (random.chance(0.2)) input.roots.push(random.pick(seeds.certificates))
  if (random.chance(0.1)) input.chain.reverse()
  if (random.chance(0.2)) input.usage = random.pick(['serverAuth', 'clientAuth', 'any'])
  if (random.chance(0.55)) {
    const at = random.below(input.chain.length)
    const der = input.chain[at]!
    input.chain[at] = random.chance(0.75) ? mutateStructure(der, random) : mutateBytes(der, random)
  }
  if (random.chance(0.2) && input.roots.length > 0) {
    const at = random.below(input.roots.length)
    input.roots[at] = mutateStructure(input.roots[at]!, random)
  }
  return input
}

/** A bundle that the reader refuses is fine; anything else that is thrown is not. */
function readAnyBundle(random: Random, input: Input): void {
  const reader = random.pick(['client-go', 'etcd', 'kube-apiserver', 'crypto/tls'] as const)
  try {
    readBundle(randomPem(random, input), reader, { voice: input.voice })
  } catch (error) {
    if (!(error instanceof TrustplaneError && error.code === 'TP_PEM_INVALID')) throw error
  }
}

function randomPem(random: Random, { chain }: Input): string {
  const text = chain.map(der => pemOf(der)).join('')
  const bytes = random.chance(0.5) ? mutateBytes(Buffer.from(text), random) : Buffer.from(text)
  return bytes.toString('latin1')
}

const show = ({ chain, roots, usage, name, now, voice }: Input) =>
  JSON.stringify({
    usage,
    name,
    now,
    voice,
    chain: chain.map(der => Buffer.from(der).toString('base64')),
    roots: roots.map(der => Buffer.from(der).toString('base64')),
  })

/** The plain rules; undefined when the chain keeps to all of them. */
function whatIsWrong(chain: readonly Certificate[], { roots, usage, now, voice }: Input): string | undefined {
  const last = chain.at(-1)!
  if (!roots.some(root => Buffer.compare(root, last.der) === 0)) return 'its end is not in the bundle'
  for (const [index, certificate] of chain.entries()) {
    if (now < certificate.notBefore || now > certificate.notAfter) return `certificate ${index} is not valid now`
    if (certificate.unhandledCriticalExtensions.length > 0)
      return `certificate ${index} has an unknown critical extension`
    const usages = certificate.extKeyUsage ?? []
    if (usage !== 'any' && usages.length > 0 && !usages.includes(usage) && !usages.includes('anyExtendedKeyUsage'))
      return `certificate ${index} is not for ${usage}`
    const child = chain[index - 1]
    if (!child) continue
    if (Buffer.compare(child.issuer.der, certificate.subject.der) !== 0) return `certificate ${index} has another name`
    if (index < chain.length - 1 && !certificate.basicConstraints?.isCa) return `certificate ${index} is no CA`
    if (certificate.basicConstraints && !certificate.basicConstraints.isCa) return `certificate ${index} is no CA`
    const { pathLength } = certificate.basicConstraints ?? {}
    if (pathLength !== undefined && index - 1 > pathLength) return `certificate ${index} allows fewer below it`
    if (certificate.keyUsage?.length && !certificate.keyUsage.includes('keyCertSign'))
      return `certificate ${index} may not sign`
    if (/MD5|SHA1/.test(child.signatureAlgorithm)) return `certificate ${index - 1} is signed weakly`
    if (voice !== 'go1.19' && Buffer.compare(parseCertificate(child.der).der, child.der) !== 0)
      return 'it does not parse'
    if (!isSignedBy(child, certificate)) return `certificate ${index - 1} is not signed by certificate ${index}`
  }
  return undefined
}

/** OpenSSL's word on one signature; where it cannot read a certificate, it has none. */
function isSignedBy(child: Certificate, parent: Certificate): boolean {
  try {
    return new X509Certificate(child.der).verify(new X509Certificate(parent.der).publicKey)
  } catch {
    return true
  }
}

/** OpenSSL's own look at each link: names, key ids, CA bits, signature. */
function opensslAccepts(chain: readonly Certificate[]): boolean {
  try {
    const read = chain.map(({ der }) => new X509Certificate(der))
    return read.every((child, index) => {
      const parent = read[index + 1]
      return !parent || (child.checkIssued(parent) && child.verify(parent.publicKey))
    })
  } catch {
    return false
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [count = 10_000, seed = Math.floor(Math.random() * 2 ** 31)] = process.argv.slice(2).map(Number)
  const { failures, ...figures } = fuzz(count, seed)
  console.log({ seed, ...figures, failures: failures.length })
  for (const failure of failures.slice(0, 20)) console.log(failure)
  process.exitCode = failures.length > 0 ? 1 : 0
}
