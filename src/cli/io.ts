/** What a command may touch of the outside: its streams, its environment, and whether a person is looking. */
import type { Writable } from 'node:stream'

export interface Io {
  /** Data, and only data: what a script reads. */
  stdout: Writable
  /** Progress, hints and errors. */
  stderr: Writable
  env: NodeJS.ProcessEnv
  /** Columns of the terminal, or undefined when stdout is none. */
  columns?: number
  /** True when both streams are terminals: only then anything may move. */
  interactive: boolean
}

/** The process's own streams. A reader that closes early (`| head`) ends the process quietly, as it does other tools. */
export function processIo(): Io {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') process.exit(0)
      throw error
    })
  }
  return {
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    ...(process.stdout.columns ? { columns: process.stdout.columns } : {}),
    interactive: Boolean(process.stdout.isTTY && process.stderr.isTTY),
  }
}
