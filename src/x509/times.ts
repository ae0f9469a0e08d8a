/** The two ASN.1 time types as cryptobyte reads them: DER's, and the BER forms that Go lets pass (no seconds, an offset). */
import { type DerReader, tag } from './der.ts'
import { CertificateParseError } from './errors.ts'
import type { Voice } from './types.ts'

/** An instant, and the zone it was written in, which Go's messages keep. */
export interface WrittenTime {
  time: Date
  offsetMinutes: number
}

/** Go's readASN1Time. */
export function readTime(reader: DerReader, voice: Voice): WrittenTime {
  const next = reader.peek()
  if (next === tag.utcTime) {
    const time = parseUtcTime(reader.read(tag.utcTime), voice)
    if (!time) throw new CertificateParseError('x509: malformed UTCTime')
    return time
  }
  if (next === tag.generalizedTime) {
    const time = parseGeneralizedTime(reader.read(tag.generalizedTime), voice)
    if (!time) throw new CertificateParseError('x509: malformed GeneralizedTime')
    return time
  }
  throw new CertificateParseError('x509: unsupported time format')
}

export const parseUtcTime = (content: Uint8Array | undefined, voice: Voice) =>
  parseTime(content, /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)?(Z|[+-]\d{4})$/, voice)

export const parseGeneralizedTime = (content: Uint8Array | undefined, voice: Voice) =>
  parseTime(content, /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(Z|[+-]\d{4})$/, voice)

function parseTime(content: Uint8Array | undefined, form: RegExp, voice: Voice): WrittenTime | undefined {
  const match = content && form.exec(Buffer.from(content).toString('latin1'))
  if (!match) return undefined
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(digits => Number(digits ?? 0)) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  // RFC 5280 §4.1.2.5.1: two digits, 50 and more, are of the 1900s
  const fullYear = match[1]!.length === 4 ? year : year >= 50 ? 1900 + year : 2000 + year
  const offsetMinutes = parseOffset(match[7]!, voice)
  if (offsetMinutes === undefined || hour > 23 || minute > 59 || second > 59) return undefined
  const time = new Date(0)
  time.setUTCFullYear(fullYear, month - 1, day)
  time.setUTCHours(hour, minute, second)
  // 31 April and month 13 roll over in JavaScript and are refused in Go
  if (time.getUTCMonth() !== month - 1 || time.getUTCDate() !== day) return undefined
  return { time: new Date(time.getTime() - offsetMinutes * 60_000), offsetMinutes }
}

/** The text must be the one that Go would print again: no +0000, no 60 minutes. */
function parseOffset(text: string, voice: Voice): number | undefined {
  if (text === 'Z') return 0
  const [hours, minutes] = [Number(text.slice(1, 3)), Number(text.slice(3))]
  if (minutes > 59 || (voice === 'go1.24' && hours > 24)) return undefined
  const offset = hours * 60 + minutes
  if (offset === 0) return undefined
  return text[0] === '-' ? -offset : offset
}
