/** The words of this folder, and the tally. Nothing here ever holds key material: what is known of a key is the hash of its public half. */
import type { Certificate } from '#x509/types.ts'
import type { RuleId } from './rules.ts'

/** A piece of data to look into: a file, a file in a layer, a blob of Git. */
export interface Blob {
  /** Relative to what is looked at. */
  path: string
  data: Buffer
  place: Place
  /** Files only. */
  mode?: number
}

interface Place {
  /** `sha256:…` of an image, or the path of an archive. */
  layer?: string
  /** Git's name of the blob. */
  blob?: string
}

export interface FoundKey {
  kind: 'private' | 'encrypted' | 'store'
  /** `RSA PRIVATE KEY`, `PKCS#12`, … */
  format: string
  /** How it was written: `PEM`, `base64`, `DER`. */
  written: string
  line?: number
  /** SHA-256 of its public key (SPKI), hex: the same for its certificate. Encrypted ones do not tell. */
  publicKey?: string
}

export interface FoundKubeconfig {
  /** Leaf certificates in it. */
  certificates: readonly Certificate[]
  /** SHA-256 of the public halves of the keys in it. */
  publicKeys: readonly string[]
  skipsVerification: boolean
}

/** What was found in a blob. */
export interface Inspected {
  path: string
  place: Place
  mode?: number
  keys: readonly FoundKey[]
  /** In their order; a served chain's leaf first. */
  certificates: readonly Certificate[]
  kubeconfig?: FoundKubeconfig
}

export interface Finding {
  rule: RuleId
  path: string
  line?: number
  /** What exactly: `CN=etcd-ca, until 2026-11-01`. */
  detail: string
  layer?: string
  blob?: string
  /** Git: a commit that brought it. */
  commit?: string
}

/** What was looked at, for the report. */
export interface Looked {
  files: number
  bytes: number
  keys: number
  certificates: number
  /** What was not looked into, and why. */
  skipped: string[]
}

/** No file is read further than this: keys are small. */
export const mostBytes = 8 * 1024 * 1024

/** Adds what was found in a piece of data to what was looked at. */
export function count(inspected: Inspected, data: Buffer, looked: Looked): Inspected {
  looked.files++
  looked.bytes += data.length
  looked.keys += inspected.keys.length
  looked.certificates += inspected.certificates.length
  return inspected
}
