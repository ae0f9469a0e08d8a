/**
 * The oracle's cases with keys that we hold: no private key is kept with them, and a live handshake needs one.
 * Every certificate keeps all of its bytes but two things: the key in its SubjectPublicKeyInfo is a fresh one of the same kind, and a signature
 * that a key of the case made is made again, by the fresh one. Signatures that no key of the case made (corrupt ones, absent CAs) stay.
 * Key ids stay too: Go only compares them. Nothing depends on today's date: the cases are of 2019 to 2021 (expired), 2024 to 2044, or from 2041 on.
 */
import { constants, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto'
import { DerReader } from '#x509/der.ts'
import { bitString, sequence } from './der-writer.ts'
import { multiPrimeRsa } from './multi-prime-rsa.ts'
import type { OracleCase } from './oracle.ts'

export interface RekeyedCase extends OracleCase {
  /** PKCS#8 PEM; '' when the leaf's frame is broken, so that it has no key. */
  key: string
}

/** The outer frame of a certificate: what is inside may be as odd as it likes. */
interface Frame {
  der: Buffer
  /** Elements of the TBSCertificate, with headers. */
  tbs: Uint8Array[]
  /** Which of them is the SubjectPublicKeyInfo. */
  keyAt: number
  algorithm: Uint8Array
  signature: Uint8Array
}

interface Algorithm {
  hash: string | null
  padding?: number
  saltLength?: number
}

const rsaWith = (hash: string): Algorithm => ({ hash, padding: constants.RSA_PKCS1_PADDING })
const algorithms: Record<string, Algorithm> = {
  '1.2.840.113549.1.1.4': rsaWith('md5'),
  '1.2.840.113549.1.1.5': rsaWith('sha1'),
  '1.2.840.113549.1.1.11': rsaWith('sha256'),
  '1.2.840.113549.1.1.12': rsaWith('sha384'),
  '1.2.840.113549.1.1.13': rsaWith('sha512'),
  '1.2.840.10045.4.1': { hash: 'sha1' },
  '1.2.840.10045.4.3.1': { hash: 'sha224' },
  '1.2.840.10045.4.3.2': { hash: 'sha256' },
  '1.2.840.10045.4.3.3': { hash: 'sha384' },
  '1.2.840.10045.4.3.4': { hash: 'sha512' },
  '1.3.101.112': { hash: null },
  '1.3.101.113': { hash: null },
}
const pssOid = '1.2.840.113549.1.1.10'
const pssHashes: Record<string, string> = { '1.3.14.3.2.26': 'sha1', '2.16.840.1.101.3.4.2.1': 'sha256' }

interface Keys {
  old: KeyObject
  fresh: { publicKey: KeyObject; privateKey: KeyObject }
}

/** By SubjectPublicKeyInfo: the cases have about thirty keys among them. */
const known = new Map<string, Keys | undefined>()

/** The case with fresh keys. The text around certificates, and what in it is none, is kept. */
export function rekey(one: OracleCase): RekeyedCase {
  const frames = [...certificatesIn(one.chain), ...certificatesIn(one.roots)]
  const keys = frames.map(keysOf).filter(found => found !== undefined)
  const again = (text: string) =>
    text.replace(pem, (block, label: string, body: string) => {
      const frame = label.endsWith('CERTIFICATE') ? frameOf(Buffer.from(body, 'base64')) : undefined
      return frame ? block.replace(body, wrapAs(body, rekeyed(frame, keys))) : block
    })
  const [leaf] = certificatesIn(one.chain)
  const own = leaf && keysOf(leaf)?.fresh.privateKey
  return {
    ...one,
    chain: again(one.chain),
    roots: again(one.roots),
    key: own ? own.export({ format: 'pem', type: 'pkcs8' }).toString() : '',
  }
}

const pem = /-----BEGIN ([A-Z0-9 ]+)-----([^-]*)-----END/g

function certificatesIn(text: string): Frame[] {
  return [...text.matchAll(pem)]
    .filter(([, label]) => label!.endsWith('CERTIFICATE'))
    .map(([, , body]) => frameOf(Buffer.from(body!, 'base64')))
    .filter(frame => frame !== undefined)
}

function frameOf(der: Buffer): Frame | undefined {
  const outer = new DerReader(der)
  const certificate = outer.enter(0x30)
  const body = certificate?.enter(0x30)
  const algorithm = certificate?.readWhole(0x30)
  const signature = certificate?.bitString()?.bytes
  if (!outer.empty || !body || !algorithm || !signature) return undefined
  const tbs: Uint8Array[] = []
  while (!body.empty) {
    const element = body.element()
    if (!element) return undefined
    tbs.push(element.whole)
  }
  // version is the only one before it that may be missing
  const keyAt = tbs[0]?.[0] === 0xa0 ? 6 : 5
  return tbs[keyAt] && { der, tbs, keyAt, algorithm, signature }
}

function keysOf({ tbs, keyAt }: Frame): Keys | undefined {
  const spki = Buffer.from(tbs[keyAt]!)
  const id = spki.toString('hex')
  if (!known.has(id)) known.set(id, freshKeys(spki))
  return known.get(id)
}

function freshKeys(spki: Buffer): Keys | undefined {
  let old: KeyObject
  try {
    old = createPublicKey({ key: spki, format: 'der', type: 'spki' })
  } catch {
    return undefined
  }
  const { namedCurve, modulusLength = 0 } = old.asymmetricKeyDetails ?? {}
  switch (old.asymmetricKeyType) {
    case 'ec':
      return { old, fresh: generateKeyPairSync('ec', { namedCurve: namedCurve! }) }
    case 'ed25519':
      return { old, fresh: generateKeyPairSync('ed25519') }
    case 'ed448':
      return { old, fresh: generateKeyPairSync('ed448') }
    case 'rsa':
    case 'rsa-pss':
      // its primes would take half a minute
      return {
        old,
        fresh: modulusLength > 8192 ? multiPrimeRsa(modulusLength) : generateKeyPairSync('rsa', { modulusLength }),
      }
    default:
      return undefined
  }
}

/** The same certificate stays the same, in a chain and a bundle and from case to case: ECDSA signs differently each time. */
const made = new Map<string, Buffer>()

function rekeyed(frame: Frame, keys: readonly Keys[]): Buffer {
  const body = sequence(...frame.tbs)
  const own = keysOf(frame)
  const tbs = own
    ? sequence(...frame.tbs.with(frame.keyAt, withKey(frame.tbs[frame.keyAt]!, own.fresh.publicKey)))
    : body
  const algorithm = algorithmOf(frame.algorithm)
  const signer = algorithm && keys.find(({ old }) => holds(algorithm, body, old, frame.signature))
  const id = `${frame.der.toString('latin1')}${signer ? 'signed' : ''}`
  const signature = signer ? sign(algorithm.hash, tbs, { ...algorithm, key: signer.fresh.privateKey }) : frame.signature
  const certificate = made.get(id) ?? sequence(tbs, frame.algorithm, bitString(signature))
  made.set(id, certificate)
  return certificate
}

/** The AlgorithmIdentifier is the case's. */
function withKey(spki: Uint8Array, key: KeyObject): Buffer {
  const fresh = new DerReader(key.export({ format: 'der', type: 'spki' })).enter(0x30)!
  fresh.element()
  return sequence(new DerReader(spki).enter(0x30)!.readWhole(0x30)!, fresh.readWhole(0x03)!)
}

function algorithmOf(identifier: Uint8Array): Algorithm | undefined {
  const reader = new DerReader(identifier).enter(0x30)
  const id = reader?.oid()
  if (id !== pssOid) return algorithms[id ?? '']
  const parameters = reader?.enter(0x30)
  const hash = pssHashes[parameters?.enter(0xa0)?.enter(0x30)?.oid() ?? ''] ?? 'sha1'
  return { hash, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
}

function holds(algorithm: Algorithm, body: Uint8Array, key: KeyObject, signature: Uint8Array): boolean {
  try {
    return verify(algorithm.hash, body, { ...algorithm, key }, signature)
  } catch {
    // a key of another kind
    return false
  }
}

/** Base64 in lines as those of `body` were: their length, what ends them, what they are indented by. */
function wrapAs(body: string, der: Buffer): string {
  const [, lead, first, between] = /^(\s*)(\S+)(\s*)/.exec(body)!
  const text = der.toString('base64')
  const lines =
    /\s$/.test(body) && body.trim() === first ? [text] : (text.match(new RegExp(`.{1,${first!.length}}`, 'g')) ?? [])
  return lead + lines.join(between) + (/\s*$/.exec(body)?.[0] ?? '')
}
