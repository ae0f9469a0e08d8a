import { isUtf8 } from 'node:buffer'

/** How Go prints things: fmt's %q, net.IP.String, time.RFC3339. */

const short: Record<string, string> = {
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '"': '\\"',
  '\\': '\\\\',
}

/** strconv.Quote. */
export function quote(text: string): string {
  return `"${Array.from(text, quoteChar).join('')}"`
}

function quoteChar(char: string): string {
  const code = char.codePointAt(0)!
  if (short[char]) return short[char]
  if (/[\p{L}\p{M}\p{N}\p{P}\p{S} ]/u.test(char)) return char
  if (code < 0x20 || code === 0x7f) return `\\x${hex(code, 2)}`
  if (isStrayByte(code)) return `\\x${hex(code - strayByte, 2)}`
  return code < 0x10000 ? `\\u${hex(code, 4)}` : `\\U${hex(code, 8)}`
}

const hex = (code: number, digits: number) => code.toString(16).padStart(digits, '0')

/** Where bytes that are no UTF-8 go in a JavaScript string: lone surrogates, which are written out as U+FFFD. */
const strayByte = 0xdc00
const isStrayByte = (code: number) => code >= strayByte + 0x80 && code <= strayByte + 0xff

/** A Go string made of any bytes. */
export function goString(bytes: Uint8Array): string {
  if (isUtf8(bytes)) return Buffer.from(bytes).toString('utf8')
  let text = ''
  for (let at = 0; at < bytes.length; ) {
    const length = [1, 2, 3, 4].find(size => isUtf8(bytes.subarray(at, at + size))) ?? 0
    if (length === 0) text += String.fromCharCode(strayByte + bytes[at]!)
    else text += Buffer.from(bytes.subarray(at, at + length)).toString('utf8')
    at += Math.max(1, length)
  }
  return text
}

/** time.Format(time.RFC3339) of an instant, in a zone that is `offsetMinutes` east of UTC. Fractions are left out, as there. */
export function rfc3339(time: Date, offsetMinutes = 0): string {
  const local = new Date(time.getTime() + offsetMinutes * 60_000)
  const stamp = local.toISOString().replace(/\.\d+Z$/, '')
  if (offsetMinutes === 0) return `${stamp}Z`
  const [hours, minutes] = [Math.trunc(Math.abs(offsetMinutes) / 60), Math.abs(offsetMinutes) % 60]
  return `${stamp}${offsetMinutes < 0 ? '-' : '+'}${String(hours).padStart(2, '0')}:${String(minutes).padStart(2, '0')}`
}
