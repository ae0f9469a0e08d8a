/** Values as Go's fmt prints them, where the originals' texts hold them. */

/** %q of a string. */
export function quote(text: string): string {
  if (/^[\x20-\x21\x23-\x5b\x5d-\x7e]*$/.test(text)) return `"${text}"`
  let out = '"'
  for (const char of text) {
    const code = char.codePointAt(0)!
    if (char === '"' || char === '\\') out += `\\${char}`
    else if (code >= 0x20 && code < 0x7f) out += char
    else if (short[code]) out += short[code]
    else if (code < 0x20 || code === 0x7f) out += `\\x${code.toString(16).padStart(2, '0')}`
    else if (/[\p{L}\p{M}\p{N}\p{P}\p{S}]/u.test(char)) out += char
    else out += code > 0xffff ? `\\U${code.toString(16).padStart(8, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`
  }
  return `${out}"`
}

const short: Record<number, string> = {
  7: '\\a',
  8: '\\b',
  9: '\\t',
  10: '\\n',
  11: '\\v',
  12: '\\f',
  13: '\\r',
}

/** utilerrors.NewAggregate(…).Error(): one as it is, several in brackets, each text once. */
export function aggregate(messages: readonly string[]): string {
  const once = [...new Set(messages)]
  return once.length === 1 ? once[0]! : `[${once.join(', ')}]`
}

/** %v of a slice of strings: `[a b]`. */
export const slice = (values: readonly string[]) => `[${values.join(' ')}]`
