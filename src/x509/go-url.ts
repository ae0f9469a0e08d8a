/** Go's net/url.Parse, as far as certificates need it: whether a URI parses, with which error, and its host. */
import { quote } from './go-format.ts'

export interface ParsedUrl {
  /** With port and brackets, percent-decoded; '' when there is none. */
  host: string
  /** URL.String: written again, which is not always what was read. */
  text: string
}

class UrlError extends Error {}

const fail = (what: string): never => {
  throw new UrlError(what)
}

/** @returns the URL, or Go's error text (`parse "…": …`). `text` is ASCII. */
export function parseUrl(text: string): ParsedUrl | string {
  const hash = text.indexOf('#')
  const [before, fragment] = hash < 0 ? [text, ''] : [text.slice(0, hash), text.slice(hash + 1)]
  let failed = before
  try {
    const url = parseWithoutFragment(before)
    failed = text
    const shown = rewrite(fragment, 'fragment')
    return fragment === '' ? url : { ...url, text: `${url.text}#${shown}` }
  } catch (error) {
    if (error instanceof UrlError) return `parse ${quote(failed)}: ${error.message}`
    throw error
  }
}

function parseWithoutFragment(text: string): ParsedUrl {
  for (const char of text) if (char < ' ' || char === '\x7f') fail('net/url: invalid control character in URL')
  if (text === '*') return { host: '', text }
  const { scheme, rest: hierarchy } = splitScheme(text)
  const shownScheme = scheme === '' ? '' : `${scheme.toLowerCase()}:`
  const mark = hierarchy.indexOf('?')
  const query = mark < 0 ? '' : hierarchy.slice(mark)
  let rest = mark < 0 ? hierarchy : hierarchy.slice(0, mark)
  if (!rest.startsWith('/')) {
    // opaque, as in mailto:a@b
    if (scheme !== '') return { host: '', text: `${shownScheme}${rest}${query}` }
    if (rest.split('/', 1)[0]!.includes(':')) fail('first path segment in URL cannot contain colon')
  }
  const hasAuthority = (scheme !== '' || !rest.startsWith('///')) && rest.startsWith('//')
  let authority: Authority = { host: '', userinfo: undefined }
  if (hasAuthority) {
    const slash = rest.indexOf('/', 2)
    authority = parseAuthority(slash < 0 ? rest.slice(2) : rest.slice(2, slash))
    rest = slash < 0 ? '' : rest.slice(slash)
  }
  const path = rewrite(rest, 'path')
  const { host, userinfo } = authority
  const start = `${shownScheme}${shownAuthority(authority, scheme !== '' && hasAuthority, path !== '')}`
  // RFC 3986 §4.2: a first segment with a colon would be taken for a scheme
  const dot = start === '' && path.split('/', 1)[0]!.includes(':') && userinfo === undefined ? './' : ''
  return { host, text: `${start}${dot}${path}${query}` }
}

interface Authority {
  host: string
  userinfo: string | undefined
}

function shownAuthority({ host, userinfo }: Authority, isSchemed: boolean, hasPath: boolean): string {
  if (host === '' && userinfo === undefined) return isSchemed && hasPath ? '//' : ''
  return `//${userinfo === undefined ? '' : `${userinfo}@`}${escapePart(host, 'host')}`
}

function splitScheme(text: string): { scheme: string; rest: string } {
  const match = /^([A-Za-z][A-Za-z0-9+.-]*)?:/.exec(text)
  if (!match) return { scheme: '', rest: text }
  const scheme = match[1] ?? fail('missing protocol scheme')
  return { scheme, rest: text.slice(scheme.length + 1) }
}

function parseAuthority(authority: string): Authority {
  const at = authority.lastIndexOf('@')
  const host = parseHost(authority.slice(at + 1))
  if (at < 0) return { host, userinfo: undefined }
  const userinfo = authority.slice(0, at)
  if (!/^[A-Za-z0-9\-._:~!$&'()*+,;=%@]*$/.test(userinfo)) fail('net/url: invalid userinfo')
  const colon = userinfo.indexOf(':')
  const parts = colon < 0 ? [userinfo] : [userinfo.slice(0, colon), userinfo.slice(colon + 1)]
  return { host, userinfo: parts.map(part => escapePart(unescapePart(part, 'other'), 'userinfo')).join(':') }
}

const isPort = (text: string) => text === '' || /^:\d*$/.test(text)

function parseHost(host: string): string {
  if (host.startsWith('[')) {
    const end = host.lastIndexOf(']')
    if (end < 0) fail("missing ']' in host")
    const port = host.slice(end + 1)
    if (!isPort(port)) fail(`invalid port ${quote(port)} after host`)
    // RFC 6874: %25 begins a zone
    const zone = host.slice(0, end).indexOf('%25')
    if (zone >= 0) {
      return (
        unescapePart(host.slice(0, zone), 'host') +
        unescapePart(host.slice(zone, end), 'zone') +
        unescapePart(host.slice(end), 'host')
      )
    }
  } else if (host.includes(':')) {
    const port = host.slice(host.lastIndexOf(':'))
    if (!isPort(port)) fail(`invalid port ${quote(port)} after host`)
  }
  return unescapePart(host, 'host')
}

/** What shouldEscape lets a host hold as it is. */
const inHost = /[A-Za-z0-9!$&'()*+,;=:[\]<>"\-_.~]/

function unescapePart(text: string, mode: 'host' | 'zone' | 'other'): string {
  let plain = ''
  for (let i = 0; i < text.length; i++) {
    const char = text[i]!
    if (char !== '%') {
      if (mode !== 'other' && char.charCodeAt(0) < 0x80 && !inHost.test(char))
        fail(`invalid character ${quote(char)} in host name`)
      plain += char
      continue
    }
    const escaped = text.slice(i, i + 3)
    if (!/^%[0-9A-Fa-f]{2}$/.test(escaped)) fail(`invalid URL escape ${quote(escaped)}`)
    const decoded = String.fromCharCode(Number.parseInt(escaped.slice(1), 16))
    // in a host only non-ASCII bytes are escaped, and the % of a zone
    const isAscii = decoded < '\x80'
    if (mode === 'host' && isAscii && escaped !== '%25') fail(`invalid URL escape ${quote(escaped)}`)
    if (mode === 'zone' && escaped !== '%25' && decoded !== ' ' && !(isAscii && inHost.test(decoded)))
      fail(`invalid URL escape ${quote(escaped)}`)
    plain += decoded
    i += 2
  }
  return plain
}

/** What shouldEscape leaves as it is, besides letters, digits and -_.~ */
const plainIn = { host: '!$&\'()*+,;=:[]<>"', userinfo: '$&+,;=', path: '$&+,/:;=@', fragment: '$&+,/:;=?@!()*' }

/** url.escape. */
function escapePart(text: string, mode: keyof typeof plainIn): string {
  return text.replace(/[^A-Za-z0-9\-_.~]/g, char =>
    plainIn[mode].includes(char) ? char : `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  )
}

/** EscapedPath and EscapedFragment: as it was read when that is a valid encoding, else encoded anew. */
function rewrite(text: string, mode: 'path' | 'fragment'): string {
  const escaped = escapePart(unescapePart(text, 'other'), mode)
  // validEncoded: what shouldEscape leaves, and a few more
  const isValid = Array.from(text).every(char => "!$&'()*+,;=:@[]%".includes(char) || escapePart(char, mode) === char)
  return text === escaped || isValid ? text : escaped
}
