/**
 * Colours and symbols. Neither ever carries a meaning alone: the word stands beside them.
 * Colours: --color, then FORCE_COLOR, NO_COLOR (https://no-color.org), then whether stdout is a terminal.
 */
import type { Io } from './io.ts'

export type ColorChoice = 'auto' | 'always' | 'never'

export type State = 'ok' | 'warn' | 'fail' | 'idle'

const symbols: Record<State, { utf8: string; ascii: string; ansi: string }> = {
  ok: { utf8: '✓', ascii: '[OK]', ansi: '32' },
  warn: { utf8: '!', ascii: '[!]', ansi: '33' },
  fail: { utf8: '✗', ascii: '[X]', ansi: '31' },
  idle: { utf8: '–', ascii: '[-]', ansi: '2' },
}

export interface Style {
  color: boolean
  /** `✓`, or `[OK]` where the locale is not UTF-8. */
  symbol(state: State): string
  paint(state: State, text: string): string
  bold(text: string): string
  dim(text: string): string
}

export function styleOf(io: Io, choice: ColorChoice = 'auto'): Style {
  const color = wantsColor(io, choice)
  const utf8 = isUtf8(io.env)
  const wrap = (code: string, text: string) => (color && text !== '' ? `\x1b[${code}m${text}\x1b[0m` : text)
  return {
    color,
    symbol: state => wrap(symbols[state].ansi, utf8 ? symbols[state].utf8 : symbols[state].ascii),
    paint: (state, text) => wrap(symbols[state].ansi, text),
    bold: text => wrap('1', text),
    dim: text => wrap('2', text),
  }
}

function wantsColor(io: Io, choice: ColorChoice): boolean {
  if (choice !== 'auto') return choice === 'always'
  if (io.env.FORCE_COLOR) return io.env.FORCE_COLOR !== '0'
  if (io.env.NO_COLOR || io.env.TERM === 'dumb') return false
  return io.columns !== undefined
}

/** By POSIX' order of precedence. Nothing set at all means a bare container, where UTF-8 is the better guess. */
function isUtf8(env: NodeJS.ProcessEnv): boolean {
  const locale = env.LC_ALL || env.LC_CTYPE || env.LANG
  return locale === undefined || locale === '' || /utf-?8/i.test(locale)
}

/** Animation, only for a person who looks, and never where colours are unwanted. */
export const mayMove = (io: Io): boolean => io.interactive && !io.env.CI && !io.env.NO_COLOR && io.env.TERM !== 'dumb'

/** Columns that `text` takes on a terminal: without escape sequences. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: an escape sequence begins with one
export const widthOf = (text: string): number => text.replace(/\x1b\[[\d;]*m/g, '').length
