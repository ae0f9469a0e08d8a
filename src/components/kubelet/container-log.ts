/** What a simulated container said: lines with their times, as the kubelet's log files have them. In memory, the oldest go first. */
import { EventEmitter } from 'node:events'

export interface LogLine {
  time: Date
  stream: 'stdout' | 'stderr'
  /** With its newline; without one it is the beginning of a line. */
  text: string
}

// containerLogMaxSize is 10 MiB there, in files.
const maxBytes = 256 * 1024

export class ContainerLog extends EventEmitter<{ line: [line: LogLine]; end: [] }> {
  readonly #lines: LogLine[] = []
  #bytes = 0
  /** The container has ended: nothing more comes. */
  ended = false

  get lines(): readonly LogLine[] {
    return this.#lines
  }

  write(stream: LogLine['stream'], text: string, time: Date): void {
    for (const piece of text.match(/[^\n]*\n|[^\n]+$/g) ?? []) {
      const line = { time, stream, text: piece }
      this.#lines.push(line)
      this.#bytes += piece.length
      this.emit('line', line)
    }
    while (this.#bytes > maxBytes && this.#lines.length > 1) this.#bytes -= this.#lines.shift()!.text.length
  }

  end(): void {
    if (this.ended) return
    this.ended = true
    this.emit('end')
  }
}
