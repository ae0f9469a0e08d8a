/** Why a file holds no certificate that Go would find: for people who handed over the wrong one. */
import { scanPem } from './pem-scanner.ts'

export interface PemProblem {
  /** What is wrong, to follow a file's name: `it is empty`. */
  what: string
  /** From 1, when it is one line's fault. */
  line?: number
  fix: string
  /** It is a private key's file. */
  isKey?: boolean
}

/**
 * @param text the file's bytes as latin1, or ASCII
 * @returns undefined when there is a block labelled CERTIFICATE
 */
export function pemProblem(text: string): PemProblem | undefined {
  const labels = [...scanPem(text)].map(({ label }) => label)
  if (labels.includes('CERTIFICATE')) return undefined
  if (text.trim() === '') return { what: 'it is empty', fix: 'give a PEM file with a certificate' }
  if (text.charCodeAt(0) === 0x30 && text.charCodeAt(1) >= 0x80)
    return { what: 'it is DER, not PEM', fix: 'convert it: openssl x509 -inform der -in FILE -out FILE.pem' }
  const begin = text.indexOf('-----BEGIN CERTIFICATE-----')
  if (begin >= 0) return brokenBlock(text, begin)
  if (labels.some(label => label.endsWith('PRIVATE KEY')))
    return {
      what: `it holds a private key (${labels[0]}) and no certificate`,
      fix: 'give the .crt file beside the .key',
      isKey: true,
    }
  if (labels.length > 0)
    return {
      what: `it holds ${[...new Set(labels)].join(', ')} and no CERTIFICATE`,
      fix: 'Go reads only blocks labelled exactly CERTIFICATE: relabel or export it anew',
    }
  return { what: 'there is no PEM block in it', fix: 'give a PEM file: -----BEGIN CERTIFICATE----- and base64' }
}

/** A BEGIN line that Go does not see, or whose block it cannot decode. */
function brokenBlock(text: string, begin: number): PemProblem {
  const line = text.slice(0, begin).split('\n').length
  const before = text.slice(text.lastIndexOf('\n', begin) + 1, begin)
  if (before === '\u00ef\u00bb\u00bf')
    return { what: 'a byte order mark stands before BEGIN', line, fix: 'save it as UTF-8 without BOM' }
  if (before !== '')
    return {
      what: 'the BEGIN line does not begin at its first column',
      line,
      fix: 'put BEGIN on a line of its own, not indented',
    }
  const isEnded = text.indexOf('-----END CERTIFICATE-----', begin) >= 0
  return isEnded
    ? { what: 'the block does not decode as base64', line, fix: 'copy the certificate again, whole' }
    : { what: 'the block has no END line', line, fix: 'the file was cut off: copy it again, whole' }
}
