/** PEM as Go's encoding/pem.Decode reads it: broken blocks are skipped, and the good ones after them are found. */

export interface PemBlock {
  label: string
  headers: Record<string, string>
  der: Buffer
  /** Where the text after the block begins. */
  end: number
}

const begin = '-----BEGIN '
const end = '\n-----END '
const dashes = '-----'

/** A line without its end and trailing blanks, and what follows it (pem.getLine). */
function getLine(text: string, at: number): { line: string; next: number } {
  const newline = text.indexOf('\n', at)
  const stop = newline < 0 ? text.length : newline
  let lineEnd = newline > at && text[newline - 1] === '\r' ? newline - 1 : stop
  while (lineEnd > at && ' \t'.includes(text[lineEnd - 1]!)) lineEnd--
  return { line: text.slice(at, lineEnd), next: newline < 0 ? text.length : newline + 1 }
}

/** Every block of `text` (bytes as latin1, or ASCII), in order. Its time is linear in the text's length, whatever is in it. */
export function* scanPem(text: string): Generator<PemBlock, undefined> {
  let at = 0
  let nextEnd = -1
  while (true) {
    // a block begins at the very start of what is left, or after a newline
    if (!text.startsWith(begin, at)) {
      const found = text.indexOf(`\n${begin}`, at)
      if (found < 0) return undefined
      at = found + 1
    }
    const first = getLine(text, at + begin.length)
    at = first.next
    if (!first.line.endsWith(dashes)) continue
    const label = first.line.slice(0, -dashes.length)
    const headers: Record<string, string> = {}
    let body = at
    while (true) {
      if (body >= text.length) return undefined
      const { line, next } = getLine(text, body)
      const colon = line.indexOf(':')
      if (colon < 0) break
      headers[line.slice(0, colon).trim()] = line.slice(colon + 1).trim()
      body = next
    }
    // where the search goes on if this block is broken
    at = body
    // without headers or content, END may follow at once
    const isEmpty = Object.keys(headers).length === 0 && text.startsWith(end.slice(1), body)
    // found once for all the blocks that lack their own
    if (nextEnd < body) nextEnd = text.indexOf(end, body)
    const endAt = isEmpty ? body - 1 : nextEnd
    if (endAt < 0) return undefined
    const trailer = `${label}${dashes}`
    if (!text.startsWith(trailer, endAt + end.length)) continue
    const rest = getLine(text, endAt + end.length + trailer.length)
    if (rest.line !== '') continue
    const der = isEmpty ? Buffer.alloc(0) : decodeBase64(text, body, endAt)
    if (!der) continue
    at = getLine(text, endAt + end.length).next
    yield { label, headers, der, end: at }
  }
}

/** base64.StdEncoding: padded, no foreign characters; blanks and line ends are dropped. */
function decodeBase64(text: string, from: number, to: number): Buffer | undefined {
  // a BEGIN line within ends it at once
  const legal = /[A-Za-z0-9+/= \t\r\n]*/y
  legal.lastIndex = from
  legal.exec(text)
  if (legal.lastIndex < to) return undefined
  const compact = text.slice(from, to).replace(/[ \t\r\n]/g, '')
  if (compact.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(compact)) return undefined
  return Buffer.from(compact, 'base64')
}
