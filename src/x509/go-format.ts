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

/** strconv.Quote. Bytes are read as UTF-8, and those that are none are shown as \\x.. */
export function quote(text: string | Uint8Array): string {
  const parts = typeof text === 'string' ? text : utf8OrBytes(text)
  return `"${Array.from(parts, quoteChar).join('')}"`
}

function quoteChar(char: string | number): string {
  if (typeof char === 'number') return `\\x${hex(char, 2)}`
  const code = char.codePointAt(0)!
  if (short[char]) return short[char]
  if (/[\p{L}\p{M}\p{N}\p{P}\p{S} ]/u.test(char)) return char
  if (code < 0x20 || code === 0x7f) return `\\x${hex(code, 2)}`
  return code < 0x10000 ? `\\u${hex(code, 4)}` : `\\U${hex(code, 8)}`
}

const hex = (code: number, digits: number) => code.toString(16).padStart(digits, '0')

/** Characters, and numbers for bytes that belong to none. */
function utf8OrBytes(bytes: Uint8Array): (string | number)[] {
  const parts: (string | number)[] = []
  for (let at = 0; at < bytes.length; ) {
    const length = [1, 2, 3, 4].find(size => isUtf8(bytes.subarray(at, at + size))) ?? 0
    parts.push(length === 0 ? bytes[at]! : Buffer.from(bytes.subarray(at, at + length)).toString('utf8'))
    at += Math.max(1, length)
  }
  return parts
}

/** time.Format(time.RFC3339) of an instant, in a zone that is `offsetMinutes` east of UTC. Fractions are left out, as there. */
export function rfc3339(time: Date, offsetMinutes = 0): string {
  const local = new Date(time.getTime() + offsetMinutes * 60_000)
  const stamp = local.toISOString().replace(/\.\d+Z$/, '')
  if (offsetMinutes === 0) return `${stamp}Z`
  const [hours, minutes] = [Math.trunc(Math.abs(offsetMinutes) / 60), Math.abs(offsetMinutes) % 60]
  return `${stamp}${offsetMinutes < 0 ? '-' : '+'}${String(hours).padStart(2, '0')}:${String(minutes).padStart(2, '0')}`
}
