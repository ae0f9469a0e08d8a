/** What a piece of data holds: private keys however they are written, certificates, a kubeconfig. Key material never leaves this file. */
import { createHash, createPublicKey, X509Certificate } from 'node:crypto'
import { parse } from 'yaml'
import { parseCertificate } from '#x509/certificate.ts'
import { certificateBlocks } from '#x509/pem.ts'
import type { Certificate } from '#x509/types.ts'
import { binaryKeys } from './binary-keys.ts'
import type { Blob, FoundKey, FoundKubeconfig, Inspected } from './types.ts'

const begin = '-----BEGIN '
/** `-----BEGIN` in base64, by the three ways in which it can lie in it. */
const beginInBase64 = ['LS0tLS1CRUdJT', 'tLS0tQkVHSU', '0tLS0tQkVHSU4']
/** The longest PEM key that is taken for one: RSA-16384 is 13 kB. */
const longestKey = 20_000
const longestCertificate = 100_000
const mostCertificates = 10_000
/** Of one file: who has more has heard enough. */
const mostKeys = 1000
/** A kubeconfig in a Secret: base64 in base64 (in a list of Secrets, once more). */
const deepest = 3

export function inspect({ path, data, place, mode }: Blob): Inspected {
  const found = { path, place, ...(mode === undefined ? {} : { mode }) }
  const text = data.toString('latin1')
  const keys = [...keysIn(text, 'PEM', 0), ...binaryKeys(data)]
  const hasPem = text.includes(begin)
  const certificates = hasPem ? certificatesIn(text) : []
  const kubeconfig = isKubeconfig(text) ? readKubeconfig(text) : undefined
  return { ...found, keys, certificates, ...(kubeconfig ? { kubeconfig } : {}) }
}

function keysIn(text: string, written: string, depth: number): FoundKey[] {
  return [...pemKeys(text, written), ...(depth < deepest ? base64Keys(text, depth) : [])]
}

function pemKeys(text: string, written: string): FoundKey[] {
  const found: FoundKey[] = []
  for (let at = text.indexOf(begin); at >= 0 && found.length < mostKeys; at = text.indexOf(begin, at + 1)) {
    const label = /^((?:[A-Z0-9]+ )*PRIVATE KEY)-----/.exec(text.slice(at + begin.length, at + begin.length + 60))?.[1]
    if (!label) continue
    const from = at + begin.length + label.length + 5
    // up to the next opening: a file of openings without ends is read once, not a hundred thousand times
    const next = text.indexOf(begin, from)
    const block = text.slice(from, next < 0 ? from + longestKey : Math.min(next, from + longestKey))
    const end = block.indexOf(`-----END ${label}-----`)
    if (end < 0) continue
    const key = readBlock(label, block.slice(0, end))
    if (key) found.push({ ...key, written, line: lineOf(text, at) })
  }
  return found
}

/** Undefined for what only looks like one: a placeholder, an example cut short. */
function readBlock(label: string, block: string): Omit<FoundKey, 'written'> | undefined {
  // in JSON and in source code line ends are written out: \n
  const lines = block.replace(/\\[nr]/g, '\n').replace(/["'`+,]\s*$/gm, '')
  const isEncrypted = label.startsWith('ENCRYPTED') || /Proc-Type: *4,ENCRYPTED/.test(lines)
  const body = lines.replace(/^[\w-]+: .*$/gm, '').replace(/[\s"'`\\]/g, '')
  if (body.length < 40 || !/^[A-Za-z0-9+/]+={0,2}$/.test(body)) return undefined
  const der = Buffer.from(body, 'base64')
  if (label.startsWith('OPENSSH')) {
    const isOpen =
      der.subarray(0, 15).equals(Buffer.from('openssh-key-v1\0')) && der.subarray(19, 23).toString() === 'none'
    return { kind: isOpen ? 'private' : 'encrypted', format: label }
  }
  if (isEncrypted) return { kind: 'encrypted', format: label }
  // DER begins with a SEQUENCE; anything else is no key
  if (der[0] !== 0x30) return undefined
  const publicKey = publicKeyOf(`${begin}${label}-----\n${body.replace(/.{64}/g, '$&\n')}\n-----END ${label}-----\n`)
  return { kind: 'private', format: label, ...(publicKey ? { publicKey } : {}) }
}

/** Long runs of base64 with PEM in them: `client-key-data`, Secrets. */
function base64Keys(text: string, depth: number): FoundKey[] {
  if (!beginInBase64.some(mark => text.includes(mark)) && !(depth === 0 && /data"?:/.test(text))) return []
  // in one piece, or wrapped as base64(1) does
  const runs = text.matchAll(/[A-Za-z0-9+/]{60,}(?:\r?\n[ \t]*[A-Za-z0-9+/]{2,})*={0,2}/g)
  return [...runs].flatMap(({ 0: run, index }) => {
    const inner = Buffer.from(run, 'base64').toString('latin1')
    if (!inner.includes(begin) && !beginInBase64.some(mark => inner.includes(mark))) return []
    const line = lineOf(text, index)
    return keysIn(inner, 'base64', depth + 1).map(key => ({ ...key, written: 'base64', line }))
  })
}

function publicKeyOf(pem: string | Buffer): string | undefined {
  try {
    return spkiHash(createPublicKey(pem).export({ format: 'der', type: 'spki' }))
  } catch {
    return undefined
  }
}

const spkiHash = (spki: Uint8Array): string => createHash('sha256').update(spki).digest('hex')

/** The hash of a certificate's public key, as its private key has it. */
export const publicKeyHash = (certificate: Certificate): string => spkiHash(certificate.subjectPublicKeyInfo)

export const opensslView = (certificate: Certificate): X509Certificate => new X509Certificate(certificate.der)

const lineOf = (text: string, index: number): number => {
  let line = 1
  for (let at = text.indexOf('\n'); at >= 0 && at < index; at = text.indexOf('\n', at + 1)) line++
  return line
}

/** Block by block: the reader of bundles looks for an end from every opening, which a hostile file has many of. */
function certificatesIn(text: string): Certificate[] {
  const opening = `${begin}CERTIFICATE-----`
  const found: Certificate[] = []
  for (let at = text.indexOf(opening); at >= 0 && found.length < mostCertificates; ) {
    const next = text.indexOf(begin, at + opening.length)
    const block = text.slice(at, next < 0 ? at + longestCertificate : Math.min(next, at + longestCertificate))
    for (const der of certificateBlocks(block)) {
      try {
        found.push(parseCertificate(der))
      } catch {
        // what Go would not read is no certificate
      }
    }
    at = next < 0 ? -1 : text.indexOf(opening, next)
  }
  return found
}

const isKubeconfig = (text: string) => /^["{\s]*("?kind"?: *"?Config\b)/m.test(text) && /users"?:/.test(text)

interface Document {
  clusters?: { cluster?: { 'insecure-skip-tls-verify'?: unknown } }[]
  users?: { user?: { 'client-certificate-data'?: unknown; 'client-key-data'?: unknown } }[]
}

/** Every user and cluster in it, not only the current context's. */
function readKubeconfig(text: string): FoundKubeconfig | undefined {
  let document: Document
  try {
    document = (parse(text, { maxAliasCount: 0 }) ?? {}) as Document
  } catch {
    return undefined
  }
  const list = <T>(value: readonly T[] | undefined): readonly T[] => (Array.isArray(value) ? value : [])
  const data = (field: unknown) => Buffer.from(typeof field === 'string' ? field : '', 'base64').toString('latin1')
  const users = list(document.users).map(entry => entry?.user ?? {})
  return {
    certificates: users.flatMap(user => certificatesIn(data(user['client-certificate-data'])).slice(0, 1)),
    publicKeys: users.flatMap(user => publicKeyOf(data(user['client-key-data'])) ?? []),
    skipsVerification: list(document.clusters).some(entry => entry?.cluster?.['insecure-skip-tls-verify'] === true),
  }
}
