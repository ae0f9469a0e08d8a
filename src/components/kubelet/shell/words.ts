/** The words and operators of a shell line: quoting, variables and substitutions, as far as simulated containers need them. */

type Piece =
  | { kind: 'text'; text: string; quoted: boolean }
  /** `$NAME`, `${NAME}`, `${NAME:-fallback}` */
  | { kind: 'variable'; name: string; fallback?: string; quoted: boolean }
  /** `$(script)` */
  | { kind: 'substitution'; script: string; quoted: boolean }

export type Word = readonly Piece[]
export type Token = { kind: 'word'; word: Word } | { kind: 'operator'; operator: string }

export class SyntaxProblem extends Error {}

const operators = ['2>&1', '&>', '2>>', '2>', '>>', '>&2', '1>&2', '&&', '||', ';;', '|', ';', '&', '>', '<', '(', ')']

/** @throws SyntaxProblem */
export function tokenize(script: string): Token[] {
  const tokens: Token[] = []
  let pieces: Piece[] | undefined
  let i = 0
  const push = (piece: Piece) => {
    pieces ??= []
    const last = pieces.at(-1)
    if (piece.kind === 'text' && last?.kind === 'text' && last.quoted === piece.quoted) last.text += piece.text
    else pieces.push(piece)
  }
  const endWord = () => {
    if (pieces) tokens.push({ kind: 'word', word: pieces })
    pieces = undefined
  }
  const dollar = (quoted: boolean) => {
    const rest = script.slice(i)
    if (rest.startsWith('$(')) {
      const end = closing(script, i + 1)
      push({ kind: 'substitution', script: script.slice(i + 2, end), quoted })
      i = end + 1
      return
    }
    const variable = /^\$(?:\{([A-Za-z_]\w*|[?$#@*\d])(?::?-([^}]*))?\}|([A-Za-z_]\w*|[?$#@*\d]))/.exec(rest)
    if (!variable) {
      push({ kind: 'text', text: '$', quoted })
      i++
      return
    }
    const [all, braced, fallback, bare] = variable
    const name = braced ?? bare!
    push({ kind: 'variable', name, quoted, ...(fallback === undefined ? {} : { fallback }) })
    i += all.length
  }

  while (i < script.length) {
    const char = script[i]!
    if (char === '\\') {
      if (script[i + 1] !== '\n') push({ kind: 'text', text: script[i + 1] ?? '', quoted: true })
      i += 2
    } else if (char === "'") {
      const end = script.indexOf("'", i + 1)
      if (end === -1) throw new SyntaxProblem('unterminated quoted string')
      push({ kind: 'text', text: script.slice(i + 1, end), quoted: true })
      i = end + 1
    } else if (char === '"') {
      push({ kind: 'text', text: '', quoted: true })
      i++
      for (; script[i] !== '"'; ) {
        if (i >= script.length) throw new SyntaxProblem('unterminated quoted string')
        if (script[i] === '\\' && '"\\$`'.includes(script[i + 1] ?? ' ')) {
          push({ kind: 'text', text: script[i + 1]!, quoted: true })
          i += 2
        } else if (script[i] === '$') dollar(true)
        else push({ kind: 'text', text: script[i++]!, quoted: true })
      }
      i++
    } else if (char === '$') dollar(false)
    else if (char === '`') {
      const end = script.indexOf('`', i + 1)
      if (end === -1) throw new SyntaxProblem('unterminated backquote')
      push({ kind: 'substitution', script: script.slice(i + 1, end), quoted: false })
      i = end + 1
    } else if (char === '\n') {
      endWord()
      tokens.push({ kind: 'operator', operator: ';' })
      i++
    } else if (/\s/.test(char)) {
      endWord()
      i++
    } else if (char === '#' && !pieces) {
      while (i < script.length && script[i] !== '\n') i++
    } else {
      const operator = operators.find(one => script.startsWith(one, i) && !(/^\d/.test(one) && pieces))
      if (operator) {
        endWord()
        tokens.push({ kind: 'operator', operator })
        i += operator.length
      } else {
        push({ kind: 'text', text: char, quoted: false })
        i++
      }
    }
  }
  endWord()
  return tokens
}

/** The index of the parenthesis that closes the one at `open`. */
function closing(script: string, open: number): number {
  let depth = 0
  for (let i = open; i < script.length; i++) {
    if (script[i] === '(') depth++
    else if (script[i] === ')' && --depth === 0) return i
  }
  throw new SyntaxProblem('syntax error: unexpected end of file (expecting ")")')
}

/** The text of a word without anything to expand: what keywords are compared with. */
export const plain = (word: Word): string | undefined =>
  word.length === 1 && word[0]!.kind === 'text' && !word[0]!.quoted ? word[0]!.text : undefined
