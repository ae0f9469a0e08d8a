/** subjectAltName: Go's forEachSAN and parseSANExtension. */
import { context, DerReader, tag } from './der.ts'
import { reverseLabels } from './domains.ts'
import { CertificateParseError } from './errors.ts'
import { quote } from './go-format.ts'
import { parseUrl } from './go-url.ts'
import { isIa5 } from './names.ts'
import type { Voice } from './types.ts'

/** An entry of a kind that Go knows; other kinds are ignored. */
export type AlternativeName =
  | { kind: 'email' | 'dns'; value: string }
  /** `shown` is url.URL.String(). */
  | { kind: 'uri'; value: string; host: string; shown: string }
  | { kind: 'ip'; value: Uint8Array }

const fail = (what: string): never => {
  throw new CertificateParseError(`x509: ${what}`)
}

const ascii = (bytes: Uint8Array, kind: string): string =>
  isIa5(bytes) ? Buffer.from(bytes).toString('latin1') : fail(`SAN ${kind} is malformed`)

export function parseAlternativeNames(der: Uint8Array, voice: Voice): AlternativeName[] {
  const sequence = new DerReader(der, voice).enter(tag.sequence) ?? fail('invalid subject alternative names')
  const names: AlternativeName[] = []
  while (!sequence.empty) {
    const { tag: kind, content } = sequence.element() ?? fail('invalid subject alternative name')
    // a malformed e-mail address is found out only by name constraints
    if (kind === context(1)) names.push({ kind: 'email', value: ascii(content, 'rfc822Name') })
    else if (kind === context(2)) names.push({ kind: 'dns', value: ascii(content, 'dNSName') })
    else if (kind === context(6)) names.push(parseUri(ascii(content, 'uniformResourceIdentifier'), voice))
    else if (kind === context(7)) {
      if (content.length !== 4 && content.length !== 16) fail(`cannot parse IP address of length ${content.length}`)
      names.push({ kind: 'ip', value: content })
    }
  }
  return names
}

function parseUri(value: string, voice: Voice): AlternativeName {
  const url = parseUrl(value)
  if (typeof url === 'string') return fail(`cannot parse URI ${quote(value)}: ${url}`)
  if (url.host !== '' && !reverseLabels(url.host, voice)) fail(`cannot parse URI ${quote(value)}: invalid domain`)
  return { kind: 'uri', value, host: url.host, shown: url.text }
}
