/** Runs the command line in this process, with streams that are kept. */
import { Writable } from 'node:stream'
import type { Io } from '../../src/cli/io.ts'
import { main } from '../../src/cli/main.ts'

export interface Ran {
  status: number
  stdout: string
  stderr: string
}

function sink(): Writable & { text(): string } {
  const chunks: Buffer[] = []
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(chunk)
      done()
    },
  })
  return Object.assign(stream, { text: () => Buffer.concat(chunks).toString('utf8') })
}

export async function trustplane(...argv: string[]): Promise<Ran> {
  return withIo({}, ...argv)
}

export async function withIo(more: Partial<Io>, ...argv: string[]): Promise<Ran> {
  const stdout = sink()
  const stderr = sink()
  const status = await main(argv, { stdout, stderr, env: { LANG: 'C.UTF-8' }, interactive: false, ...more })
  return { status, stdout: stdout.text(), stderr: stderr.text() }
}
