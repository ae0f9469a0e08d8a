/** Certificate revocation lists (RFC 5280 §5), as etcd's --client-crl-file takes them. */
import { sign as signWithCallback, X509Certificate } from 'node:crypto'
import { promisify } from 'node:util'
import { Time } from '@peculiar/asn1-x509'
import { parseCertificate } from '#x509/certificate.ts'
import type { Signer } from './certificates.ts'
import { der, pem, sequence, wrap } from './der-writer.ts'
import { algorithmFor } from './signature-algorithms.ts'

const sign = promisify(signWithCallback)

export interface RevocationListContent {
  /** Hex, as node:crypto's X509Certificate has them. */
  serialNumbers: readonly string[]
  thisUpdate: Date
  nextUpdate: Date
}

/** The list's PEM. It has the label `X509 CRL`: etcd takes nothing else. */
export async function issueRevocationList(
  content: RevocationListContent,
  { certificate, key }: Signer,
): Promise<string> {
  const algorithm = algorithmFor(key, undefined)
  const revoked = content.serialNumbers.map(hex => wrap(sequence, serial(hex), time(content.thisUpdate)))
  const tbs = wrap(
    sequence,
    wrap(0x02, Buffer.from([1])), // version 2
    algorithm.der,
    parseCertificate(new X509Certificate(certificate).raw).subject.der,
    time(content.thisUpdate),
    time(content.nextUpdate),
    // an empty SEQUENCE is not allowed
    ...(revoked.length > 0 ? [wrap(sequence, ...revoked)] : []),
  )
  const signature = await sign(algorithm.hash, tbs, key)
  return pem('X509 CRL', wrap(sequence, tbs, algorithm.der, wrap(0x03, Buffer.from([0]), signature)))
}

const time = (date: Date) => der(new Time(date))

/** DER's INTEGER: a zero before a set top bit. */
function serial(hex: string): Buffer {
  const bytes = Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex')
  return wrap(0x02, bytes[0]! & 0x80 ? Buffer.concat([Buffer.from([0]), bytes]) : bytes)
}
