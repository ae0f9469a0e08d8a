/** Domain names and mailboxes as name constraints look at them. */
import type { Voice } from './types.ts'

/** domainToReverseLabels: labels from the right, or undefined when it is no domain. Go 1.19 drops a leading empty label. */
export function reverseLabels(domain: string, voice: Voice): string[] | undefined {
  if (domain === '') return []
  const labels = domain.split('.').reverse()
  if (voice === 'go1.19' && labels.at(-1) === '') labels.pop()
  return labels.every(label => /^[\x21-\x7e]+$/.test(label)) ? labels : undefined
}

export interface Mailbox {
  local: string
  domain: string
}

/** parseRFC2821Mailbox: quoted or dotted local part, then anything that reverseLabels takes. `text` is ASCII. */
export function parseMailbox(text: string, voice: Voice): Mailbox | undefined {
  const quoted = text.startsWith('"')
  const parsed = quoted ? quotedLocal(text) : dottedLocal(text)
  if (!parsed?.rest.startsWith('@')) return undefined
  const domain = parsed.rest.slice(1)
  return reverseLabels(domain, voice) && { local: parsed.local, domain }
}

/** ASCII that a quoted local part may not hold, not even escaped; a tab may, escaped. */
const unquotable = '\0\n\r'

function quotedLocal(text: string): { local: string; rest: string } | undefined {
  let local = ''
  for (let i = 1; i < text.length; i++) {
    const char = text[i]!
    if (char === '"') return { local, rest: text.slice(i + 1) }
    if (char === '\\') {
      const escaped = text[++i]
      if (escaped === undefined || unquotable.includes(escaped)) return undefined
      local += escaped
    } else if (char === '\t' || unquotable.includes(char)) return undefined
    else local += char
  }
  return undefined
}

function dottedLocal(text: string): { local: string; rest: string } | undefined {
  let local = ''
  let i = 0
  for (; i < text.length; i++) {
    let char = text[i]!
    if (char === '\\') {
      const escaped = text[++i]
      if (escaped === undefined) return undefined
      char = escaped
    } else if (!/[0-9A-Za-z!#$%&'*+\-/=?^_`{|}~.]/.test(char)) break
    local += char
  }
  if (local === '' || local.startsWith('.') || local.endsWith('.') || local.includes('..')) return undefined
  return { local, rest: text.slice(i) }
}
