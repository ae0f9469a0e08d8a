/** What a handler says, as the async iterable that a stream of responses is. */
export class MessageQueue<T> implements AsyncIterable<T> {
  readonly #messages: T[] = []
  #ended = false
  #wake: (() => void) | undefined
  readonly #drained: () => void

  /** @param drained called when the reader took everything and waits for more */
  constructor(drained: () => void = () => {}) {
    this.#drained = drained
  }

  /** How many wait to be read. */
  get length(): number {
    return this.#messages.length
  }

  push(message: T): void {
    if (this.#ended) return
    this.#messages.push(message)
    this.#wake?.()
  }

  end(): void {
    this.#ended = true
    this.#wake?.()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for (;;) {
      const message = this.#messages.shift()
      if (message !== undefined) yield message
      else if (this.#ended) return
      else {
        const woken = new Promise<void>(resolve => {
          this.#wake = resolve
        })
        this.#drained()
        await woken
      }
    }
  }
}
