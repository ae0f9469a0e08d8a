/** The measured cases: certificates that are odd in one way each, and what real Go programs said to them. */
import { readFileSync } from 'node:fs'
import type { Usage } from '#x509/types.ts'
import { p256 } from './authority.ts'

export interface Said {
  verdict: 'accept' | 'reject' | 'reject-401' | null
  error?: string | null
  log?: string | null
  alert?: string | null
}

export interface OracleCase {
  id: string
  group: string
  description: string
  usage: Exclude<Usage, 'any'>
  name?: string
  at: string
  chain: string
  roots: string
  crl?: string
  layer: 'certificate' | 'handshake'
  go124: Said
  go119: Said
  kubectl133?: Said
  /** What a Node 24 server saw of kubectl 1.33. */
  tlsClientErrorAtServer?: string | null
  etcd34?: Said
  etcd35?: Said
  kubeApiserver?: Said
}

/** No key is kept with the cases; where one belongs into a bundle, any does. */
const keyPlaceholder = '@A PRIVATE KEY BLOCK@'

export function oracleCases(): OracleCase[] {
  const key = p256().privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
  const text = readFileSync(new URL('./fixtures/oracle-cases.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as OracleCase[]).map(one => ({ ...one, roots: one.roots.replace(keyPlaceholder, key) }))
}

/** The times at which the oracle ran were folded. */
export const foldNow = (message: string) => message.replace(/current time \S+ is/g, 'current time <NOW> is')
