/** What the live trials of the measured cases have in common: cases with keys, programs, and a count by group. */
import { execFile, spawn } from 'node:child_process'
import type { IdentitySource } from '#tls/types.ts'
import { oracleCases } from '../x509/oracle.ts'
import { type RekeyedCase, rekey } from '../x509/rekey.ts'

export const pemCertificates = (text: string): string[] =>
  text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g)?.map(block => `${block}\n`) ?? []

export const liveCases = (usage: RekeyedCase['usage']): RekeyedCase[] =>
  oracleCases()
    .filter(one => one.usage === usage)
    .map(rekey)

/** Presents what the case presents, and asks nobody whether its original would start with it. */
export function identityOf({ chain, key }: RekeyedCase): IdentitySource {
  const identity = { certificate: chain, key, chain: [] }
  return { current: () => identity, onChange: () => () => {}, close: () => {} }
}

/** What it printed, out and err. */
export const run = (path: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> =>
  new Promise(resolve => {
    const child = execFile(path, args, { env: { PATH: process.env.PATH, ...env } }, (_error, stdout, stderr) =>
      resolve(stdout + stderr),
    )
    child.stdin?.end()
  })

/** What it printed until it ended, `enough` was in it, or `over` came; for programs that would try again for seconds, or wait for input. */
export async function runUntil(
  path: string,
  args: readonly string[],
  options: { env?: NodeJS.ProcessEnv; enough?: RegExp; over?: Promise<unknown>; input?: string },
): Promise<string> {
  const { env = {}, enough, over, input } = options
  const child = spawn(path, args, { env: { PATH: process.env.PATH, ...env } })
  child.stdin.on('error', () => {})
  if (input) child.stdin.write(input)
  let output = ''
  const closed = new Promise(resolve => child.on('close', resolve))
  const said = new Promise<void>(resolve => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', chunk => {
        output += chunk
        if (enough?.test(output)) resolve()
      })
    }
  })
  await Promise.race([closed, said, ...(over ? [over] : [])])
  child.kill('SIGKILL')
  await closed
  return output
}

/** Runs `job` over all of them, a few at a time: starting a program is mostly waiting for the disk. */
export async function aFewAtATime<T>(
  items: readonly T[],
  job: (item: T, worker: number) => Promise<void>,
): Promise<void> {
  const left = items.values()
  await Promise.all(
    [0, 1, 2].map(async worker => {
      for (const item of left) await job(item, worker)
    }),
  )
}

/** How many cases of each group were tried, and which were left out, and why. */
export class Tally {
  readonly #tried = new Map<string, number>()
  readonly #left = new Map<string, string[]>()

  tried(group: string): void {
    this.#tried.set(group, (this.#tried.get(group) ?? 0) + 1)
  }

  leave(why: string, id: string): void {
    this.#left.set(why, [...(this.#left.get(why) ?? []), id.replace(/^.*\//, '')])
  }

  get total(): number {
    return [...this.#tried.values()].reduce((a, b) => a + b, 0)
  }

  /** For the test's comments. */
  toString(): string {
    const groups = [...this.#tried].map(([group, count]) => `${group} ${count}`).join(', ')
    const left = [...this.#left].map(([why, ids]) => `not tried, ${why}: ${ids.join(' ')}`)
    return [`${this.total} tried: ${groups}`, ...left].join('\n')
  }
}
