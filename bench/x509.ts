/** What a verdict costs: of a chain never seen before, and of a peer that comes again. */
import { createHash } from 'node:crypto'
import { createVerdictCache } from '#x509/cache.ts'
import { parseCertificate } from '#x509/certificate.ts'
import type { Certificate } from '#x509/types.ts'
import { verify } from '#x509/verify.ts'
import { type Authority, createAuthority, issueCertificate } from '../test/x509/authority.ts'
import type { Figure } from './run.ts'

const now = new Date('2026-06-01T00:00:00Z')
const rounds = 2000

/** Microseconds of CPU a call, the median of five runs: the machine has other things to do, which wall time would count. */
function measure(call: (round: number) => void): number {
  for (let i = 0; i < 200; i++) call(i)
  const runs = Array.from({ length: 5 }, () => {
    const began = process.cpuUsage()
    for (let i = 0; i < rounds; i++) call(i)
    const { user, system } = process.cpuUsage(began)
    return (user + system) / rounds
  })
  return runs.toSorted((a, b) => a - b)[2]!
}

const leafOf = (authority: Authority) =>
  issueCertificate(authority, {
    subject: { commonName: 'kube-apiserver' },
    dnsNames: ['localhost'],
    usages: ['serverAuth'],
  })

export async function run(): Promise<Figure[]> {
  const ca = createAuthority({ commonName: 'kubernetes' })
  const intermediate = createAuthority({ commonName: 'intermediate', issuer: ca })
  const direct = [leafOf(ca).der]
  const long = [leafOf(intermediate).der, intermediate.der]
  const check = (chain: readonly Uint8Array[], roots: readonly Certificate[]) => {
    const verdict = verify({ chain, roots, usage: 'serverAuth', name: 'localhost', now })
    if (verdict.verdict !== 'accept') throw new Error(verdict.message)
  }
  // fresh objects each time, so that no signature is remembered
  const roots = () => [parseCertificate(ca.der)]
  const cache = createVerdictCache()
  const bundle = roots()
  const cached = (chain: readonly Uint8Array[]) => {
    const verdict = cache.verify({ chain, roots: bundle, usage: 'serverAuth', name: 'localhost', now })
    if (verdict.verdict !== 'accept') throw new Error(verdict.message)
  }
  const milliseconds = (name: string, us: number): Figure => ({ name, value: us / 1000, unit: 'ms', target: '≤ 1' })
  return [
    milliseconds(
      'leaf under its CA, P-256, never seen, bundle parsed anew',
      measure(() => check(direct, roots())),
    ),
    milliseconds(
      'leaf under an intermediate, never seen, bundle parsed anew',
      measure(() => check(long, roots())),
    ),
    { name: 'leaf under its CA, seen before', value: measure(() => cached(direct)), unit: 'µs', target: '≤ 5' },
    { name: 'leaf under an intermediate, seen before', value: measure(() => cached(long)), unit: 'µs', target: '≤ 5' },
    {
      name: 'SHA-256 of that leaf',
      value: measure(() => createHash('sha256').update(direct[0]!).digest()),
      unit: 'µs',
    },
  ]
}
