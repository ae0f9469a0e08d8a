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
  let quoted = '"'
  for (const char of text) {
    const code = char.codePointAt(0)!
    if (short[char]) quoted += short[char]
    else if (/[\p{L}\p{M}\p{N}\p{P}\p{S} ]/u.test(char)) quoted += char
    else if (code < 0x20 || code === 0x7f) quoted += `\\x${code.toString(16).padStart(2, '0')}`
    else if (code < 0x10000) quoted += `\\u${code.toString(16).padStart(4, '0')}`
    else quoted += `\\U${code.toString(16).padStart(8, '0')}`
  }
  return `${quoted}"`
}

/** time.Format(time.RFC3339) of an instant, in a zone that is `offsetMinutes` east of UTC. Fractions are left out, as there. */
export function rfc3339(time: Date, offsetMinutes = 0): string {
  const local = new Date(time.getTime() + offsetMinutes * 60_000)
  const stamp = local.toISOString().replace(/\.\d+Z$/, '')
  if (offsetMinutes === 0) return `${stamp}Z`
  const [hours, minutes] = [Math.trunc(Math.abs(offsetMinutes) / 60), Math.abs(offsetMinutes) % 60]
  return `${stamp}${offsetMinutes < 0 ? '-' : '+'}${String(hours).padStart(2, '0')}:${String(minutes).padStart(2, '0')}`
}
