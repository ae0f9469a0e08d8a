/** Go's encoding/json on text that is not one JSON value: where the first value ends, or what is wrong, in Go's words. */

/** The first complete value, or the error that Go's decoder gives. */
export function firstJsonValue(text: string): { text: string; rest: string } | { error: string } {
  const scan = new Scanner(text)
  try {
    scan.space()
    const start = scan.at
    scan.value()
    return { text: text.slice(start, scan.at), rest: text.slice(scan.at) }
  } catch (error) {
    if (error instanceof GoSyntaxError) return { error: error.message }
    throw error
  }
}

class GoSyntaxError extends Error {}

class Scanner {
  at = 0
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  value(depth = 0): void {
    // Go's limit of nesting
    if (depth > 10_000) throw new GoSyntaxError('exceeded max depth')
    this.space()
    const char = this.#peek()
    const word = ['true', 'false', 'null'].find(word => char === word[0])
    if (char === '{') this.#list('}', () => this.#member(depth), 'after object key:value pair')
    else if (char === '[') this.#list(']', () => this.value(depth + 1), 'after array element')
    else if (char === '"') this.#string()
    else if (char === '-' || (char >= '0' && char <= '9')) this.#number()
    else if (word) this.#word(word)
    else this.#unexpected('looking for beginning of value')
  }

  space(): void {
    while (/[ \t\r\n]/.test(this.#text[this.at] ?? '')) this.at++
  }

  #list(close: string, item: () => void, where: string): void {
    this.at++
    this.space()
    if (this.#peek() !== close) {
      for (;;) {
        item()
        this.space()
        if (this.#peek() === close) break
        if (this.#peek() !== ',') this.#unexpected(where)
        this.at++
      }
    }
    this.at++
  }

  #member(depth: number): void {
    this.space()
    if (this.#peek() !== '"') this.#unexpected('looking for beginning of object key string')
    this.#string()
    this.space()
    if (this.#peek() !== ':') this.#unexpected('after object key')
    this.at++
    this.value(depth + 1)
  }

  #string(): void {
    this.at++
    for (;;) {
      const char = this.#peek()
      if (char < ' ') this.#unexpected('in string literal')
      this.at++
      if (char === '"') break
      if (char !== '\\') continue
      const code = this.#peek()
      if (!'"\\/bfnrtu'.includes(code)) this.#unexpected('in string escape code')
      this.at++
      if (code !== 'u') continue
      for (let i = 0; i < 4; i++) {
        if (!/[0-9a-fA-F]/.test(this.#peek())) this.#unexpected('in \\u hexadecimal character escape')
        this.at++
      }
    }
  }

  #number(): void {
    if (this.#peek() === '-') this.at++
    if (!/[0-9]/.test(this.#peek())) this.#unexpected('in numeric literal')
    const match = /^(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/.exec(this.#text.slice(this.at))
    this.at += match![0].length
  }

  #word(word: string): void {
    for (let i = 1; i < word.length; i++) {
      this.at++
      if (this.#peek() !== word[i]) this.#unexpected(`in literal ${word} (expecting '${word[i]}')`)
    }
    this.at++
  }

  #peek(): string {
    const char = this.#text[this.at]
    if (char === undefined) throw new GoSyntaxError('unexpected EOF')
    return char
  }

  #unexpected(where: string): never {
    const char = this.#peek()
    const quoted = char === "'" ? `'\\''` : char === '"' ? `'"'` : `'${JSON.stringify(char).slice(1, -1)}'`
    throw new GoSyntaxError(`invalid character ${quoted} ${where}`)
  }
}
