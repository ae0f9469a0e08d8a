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
    if (char === '{') return this.#object(depth)
    if (char === '[') return this.#array(depth)
    if (char === '"') return this.#string()
    if (char === '-' || (char >= '0' && char <= '9')) return this.#number()
    for (const word of ['true', 'false', 'null']) if (char === word[0]) return this.#word(word)
    this.#unexpected('looking for beginning of value')
  }

  space(): void {
    while (/[ \t\r\n]/.test(this.#text[this.at] ?? '')) this.at++
  }

  #object(depth: number): void {
    this.at++
    this.space()
    if (this.#peek() === '}') return this.#skip()
    for (;;) {
      this.space()
      if (this.#peek() !== '"') this.#unexpected('looking for beginning of object key string')
      this.#string()
      this.space()
      if (this.#peek() !== ':') this.#unexpected('after object key')
      this.at++
      this.value(depth + 1)
      this.space()
      if (this.#peek() === '}') return this.#skip()
      if (this.#peek() !== ',') this.#unexpected('after object key:value pair')
      this.at++
    }
  }

  #array(depth: number): void {
    this.at++
    this.space()
    if (this.#peek() === ']') return this.#skip()
    for (;;) {
      this.value(depth + 1)
      this.space()
      if (this.#peek() === ']') return this.#skip()
      if (this.#peek() !== ',') this.#unexpected('after array element')
      this.at++
    }
  }

  #string(): void {
    this.at++
    for (;;) {
      const char = this.#peek()
      if (char === '"') return this.#skip()
      if (char < ' ') this.#unexpected('in string literal')
      this.at++
      if (char !== '\\') continue
      const escape = this.#peek()
      if (!'"\\/bfnrtu'.includes(escape)) this.#unexpected('in string escape code')
      this.at++
      if (escape !== 'u') continue
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

  #skip(): void {
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
