/** Shell text to a tree: lists, pipes, `if`, `while`, `for`. */
import { plain, SyntaxProblem, type Token, tokenize, type Word } from './words.ts'

export interface Redirect {
  operator: string
  target?: Word
}

export type Tree =
  | { kind: 'simple'; words: Word[]; redirects: Redirect[] }
  | { kind: 'and' | 'or' | 'sequence'; left: Tree; right: Tree }
  | { kind: 'pipe'; commands: Tree[] }
  | { kind: 'group'; body: Tree }
  | { kind: 'while'; until: boolean; condition: Tree; body: Tree }
  | { kind: 'if'; condition: Tree; body: Tree; otherwise?: Tree }
  | { kind: 'for'; name: string; words: Word[]; body: Tree }

/** Words that cannot begin a command. */
const reserved = new Set(['then', 'do', 'done', 'else', 'elif', 'fi', '}'])

const nothing: Tree = { kind: 'simple', words: [], redirects: [] }

/** @throws SyntaxProblem, in ash's words */
export function parse(script: string): Tree {
  const tokens = tokenize(script)
  let position = 0
  const peek = () => tokens[position]
  const keyword = (token: Token | undefined) => (token?.kind === 'word' ? plain(token.word) : undefined)
  const operator = (token: Token | undefined) => (token?.kind === 'operator' ? token.operator : undefined)
  const unexpected = (token: Token | undefined) =>
    new SyntaxProblem(
      token
        ? `syntax error: unexpected "${keyword(token) ?? operator(token) ?? 'word'}"`
        : 'syntax error: unexpected end of file',
    )
  const expect = (word: string) => {
    if (keyword(peek()) !== word) throw unexpected(peek())
    position++
  }

  function list(ends: readonly string[]): Tree {
    let tree: Tree | undefined
    for (;;) {
      while (operator(peek()) === ';' || operator(peek()) === '&') position++
      const token = peek()
      if (!token || ends.includes(keyword(token) ?? operator(token) ?? '')) return tree ?? nothing
      const next = andOr()
      tree = tree ? { kind: 'sequence', left: tree, right: next } : next
      const after = operator(peek())
      if (after !== ';' && after !== '&' && peek() && !ends.includes(after ?? '')) throw unexpected(peek())
    }
  }

  function andOr(): Tree {
    let left = pipe()
    for (let next = operator(peek()); next === '&&' || next === '||'; next = operator(peek())) {
      position++
      left = { kind: next === '&&' ? 'and' : 'or', left, right: pipe() }
    }
    return left
  }

  function pipe(): Tree {
    const commands = [command()]
    while (operator(peek()) === '|') {
      position++
      commands.push(command())
    }
    return commands.length === 1 ? commands[0]! : { kind: 'pipe', commands }
  }

  function command(): Tree {
    switch (keyword(peek())) {
      case 'while':
      case 'until': {
        const until = keyword(tokens[position++]) === 'until'
        const condition = list(['do'])
        expect('do')
        const body = list(['done'])
        expect('done')
        return { kind: 'while', until, condition, body }
      }
      case 'if':
        position++
        return conditional()
      case 'for': {
        position++
        const name = keyword(tokens[position++]) ?? ''
        expect('in')
        const words: Word[] = []
        for (let token = peek(); token?.kind === 'word'; token = peek()) {
          words.push(token.word)
          position++
        }
        while (operator(peek()) === ';') position++
        expect('do')
        const body = list(['done'])
        expect('done')
        return { kind: 'for', name, words, body }
      }
      case '{': {
        position++
        const body = list(['}'])
        expect('}')
        return { kind: 'group', body }
      }
    }
    if (operator(peek()) === '(') {
      position++
      const body = list([')'])
      if (operator(peek()) !== ')') throw unexpected(peek())
      position++
      return { kind: 'group', body }
    }
    return simple()
  }

  function conditional(): Tree {
    const condition = list(['then'])
    expect('then')
    const body = list(['elif', 'else', 'fi'])
    const word = keyword(tokens[position++])
    if (word === 'elif') return { kind: 'if', condition, body, otherwise: conditional() }
    if (word === 'fi') return { kind: 'if', condition, body }
    if (word !== 'else') throw unexpected(tokens[position - 1])
    const otherwise = list(['fi'])
    expect('fi')
    return { kind: 'if', condition, body, otherwise }
  }

  function simple(): Tree {
    if (reserved.has(keyword(peek()) ?? '')) throw unexpected(peek())
    const words: Word[] = []
    const redirects: Redirect[] = []
    for (let token = peek(); token; token = peek()) {
      if (token.kind === 'word') words.push(token.word)
      else if (/[<>]/.test(token.operator)) {
        if (token.operator.includes('>&')) redirects.push({ operator: token.operator })
        else {
          const target = tokens[++position]
          if (target?.kind !== 'word') throw unexpected(target)
          redirects.push({ operator: token.operator, target: target.word })
        }
      } else break
      position++
    }
    if (words.length === 0 && redirects.length === 0) throw unexpected(peek())
    return { kind: 'simple', words, redirects }
  }

  const tree = list([])
  if (peek()) throw unexpected(peek())
  return tree
}
