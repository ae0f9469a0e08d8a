/** What the rows of defects.ts are made with: roots, intermediates, leaves, and the time that they go by. Keys never leave memory. */
import { createPrivateKey, generateKeyPair, type KeyObject, X509Certificate } from 'node:crypto'
import { promisify } from 'node:util'
import { parseDuration } from '#clock.ts'
import type { CertificateContent } from '#pki/certificates.ts'

/** A throw-away CA, as PEM. */
export interface Authority {
  commonName: string
  cert: string
  key: string
}

/** What an authority signed with, and what is sent behind the leaf. */
interface Issuer extends Authority {
  /** PEM, the issuer first, without the root. */
  chain: readonly string[]
}

export interface Made {
  /** PEM; empty: none. */
  cert: string
  key: string
  /** PEM, sent behind the leaf, in order. */
  intermediates: readonly string[]
  /** The root that the other end has to trust, when it is not the usual one. */
  ca?: string
  crl?: string
}

type AuthorityContent = { commonName: string } & Partial<Omit<CertificateContent, 'subject'>>

export interface Workshop {
  side: 'server' | 'client'
  /** DNS names and IPs that a good one is for. */
  hosts: readonly string[]
  /** The root that the other end trusts. */
  trusted: Authority
  /** The time of making, less this much (`365d`, `-1h`: an hour ahead). */
  ago(duration: string): Date
  /** A leaf; `content` replaces what a good one says. */
  issue(
    content?: Partial<CertificateContent>,
    how?: { by?: Issuer | 'itself' | undefined; rsaBits?: number },
  ): Promise<Made>
  /** Another root, which nobody trusts. */
  root(content: AuthorityContent): Promise<Issuer>
  /** An intermediate, under `parent` or the trusted root. */
  authority(content: AuthorityContent, parent?: Issuer): Promise<Issuer>
  /** A subject with one CN, written as PrintableString whatever is in it. */
  printableName(commonName: string): Uint8Array
  /** The trusted root's list, with this certificate on it. */
  revoke(cert: string): Promise<string>
}

export interface WorkshopOptions {
  side: 'server' | 'client'
  hosts: readonly string[]
  trusted: Authority
  subject: { commonName: string; organizations: readonly string[] }
  now: Date
}

const generate = promisify(generateKeyPair)
const p256 = async (): Promise<KeyObject> => (await generate('ec', { namedCurve: 'P-256' })).privateKey
const pemOf = (key: KeyObject) => key.export({ format: 'pem', type: 'pkcs8' }).toString()
const isIp = (host: string) => /^[\d.]+$|:/.test(host)
/** Certificates have no milliseconds. */
const wholeSeconds = (ms: number) => new Date(Math.floor(ms / 1000) * 1000)
/** What makes certificates is large: loaded with the first one. */
const issuing = () => import('#pki/certificates.ts')

export async function makeAuthority(content: AuthorityContent, now: Date, parent?: Issuer): Promise<Issuer> {
  const { commonName, ...rest } = content
  const [key, { issueCertificate }] = await Promise.all([p256(), issuing()])
  const whole: CertificateContent = {
    subject: { commonName, organizations: [] },
    notBefore: wholeSeconds(now.getTime() - parseDuration('1d')),
    notAfter: wholeSeconds(now.getTime() + parseDuration('3650d')),
    isCa: true,
    keyUsages: ['digitalSignature', 'keyEncipherment', 'keyCertSign', 'cRLSign'],
    ...rest,
  }
  const cert = await issueCertificate(whole, key, parent ? signerOf(parent) : { self: key })
  return { commonName, cert, key: pemOf(key), chain: parent ? [cert, ...parent.chain] : [] }
}

const signerOf = ({ cert, key }: Authority) => ({ certificate: cert, key: createPrivateKey(key) })

export function createWorkshop({ side, hosts, trusted, subject, now }: WorkshopOptions): Workshop {
  const usual: Issuer = { ...trusted, chain: [] }
  const ago = (duration: string) => wholeSeconds(now.getTime() - parseDuration(duration))
  return {
    side,
    hosts,
    trusted,
    ago,
    async issue(content = {}, { by = usual, rsaBits } = {}) {
      const makeKey = async () =>
        rsaBits ? (await generate('rsa', { modulusLength: rsaBits })).privateKey : await p256()
      const [key, { issueCertificate }] = await Promise.all([makeKey(), issuing()])
      const whole: CertificateContent = {
        subject,
        notBefore: ago('1h'),
        notAfter: ago('-365d'),
        keyUsages: ['digitalSignature', 'keyEncipherment'],
        // at both ends, as etcd's serving certificate is
        extKeyUsages: ['serverAuth', 'clientAuth'],
        dnsNames: hosts.filter(host => !isIp(host)),
        ipAddresses: hosts.filter(isIp),
        ...content,
      }
      const cert = await issueCertificate(whole, key, by === 'itself' ? { self: key } : signerOf(by))
      return { cert, key: pemOf(key), intermediates: by === 'itself' ? [] : by.chain }
    },
    root: content => makeAuthority(content, now),
    authority: (content, parent = usual) => makeAuthority(content, now, parent),
    printableName(commonName) {
      const text = Buffer.from(commonName, 'ascii')
      const tlv = (tag: number, ...parts: Uint8Array[]): Buffer => {
        const content = Buffer.concat(parts)
        return Buffer.concat([Uint8Array.of(tag, content.length), content])
      }
      // SEQUENCE { SET { SEQUENCE { OID 2.5.4.3, PrintableString } } }; short enough for one length byte
      return tlv(0x30, tlv(0x31, tlv(0x30, Uint8Array.of(0x06, 3, 0x55, 0x04, 0x03), tlv(0x13, text))))
    },
    async revoke(cert) {
      const { issueRevocationList } = await import('#pki/revocation-list.ts')
      const { serialNumber } = new X509Certificate(cert)
      return issueRevocationList(
        { serialNumbers: [serialNumber], thisUpdate: ago('1h'), nextUpdate: ago('-365d') },
        signerOf(trusted),
      )
    },
  }
}
