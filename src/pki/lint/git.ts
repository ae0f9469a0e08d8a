/** Every blob that a Git repository can reach (branches, tags, stashes, reflogs), by git's own plumbing. Nothing is checked out, fetched or run. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { TrustplaneError } from '#errors.ts'
import { inspect } from './inspect.ts'
import { count, type Inspected, type Looked, mostBytes } from './types.ts'

/** No hooks, no filters, no network, no question: this is somebody's repository, and its configuration is not ours to obey. */
const settings = [
  '-c',
  'core.fsmonitor=false',
  '-c',
  'core.hooksPath=/dev/null',
  '-c',
  'protocol.allow=never',
  '-c',
  'log.showSignature=false',
]
const environment = {
  GIT_TERMINAL_PROMPT: '0',
  GIT_OPTIONAL_LOCKS: '0',
  GIT_NO_LAZY_FETCH: '1',
  GIT_NO_REPLACE_OBJECTS: '1',
  LC_ALL: 'C',
}

export interface InGit extends Inspected {
  /** The newest commit that brought it or took it away. */
  commit?: string
}

/** @throws TrustplaneError TP_PROGRAM_MISSING without git, TP_INPUT_INVALID for what git cannot read */
export async function inspectGit(dir: string, looked: Looked): Promise<InGit[]> {
  const paths = await blobsOf(dir, looked)
  const found: InGit[] = []
  const batch = git(dir, ['cat-file', '--batch', '--buffer'])
  const names = [...paths.keys()]
  // a git that died is told of by `finished`
  batch.child.stdin!.on('error', () => {})
  batch.child.stdin!.end(names.map(name => `${name}\n`).join(''))
  for await (const { name, data } of objectsIn(batch.child.stdout!)) {
    const inspected = count(inspect({ path: paths.get(name) ?? '', data, place: { blob: name } }), data, looked)
    if (inspected.keys.length > 0) found.push(inspected)
  }
  await batch.finished
  for (const one of found.slice(0, 100)) {
    const commit = await commitOf(dir, one.place.blob!)
    if (commit) one.commit = commit
  }
  return found
}

/** Blob → a path that it had. Large ones are no keys. */
async function blobsOf(dir: string, looked: Looked): Promise<Map<string, string>> {
  const list = git(dir, ['rev-list', '--objects', '--all', '--reflog'])
  const paths = new Map<string, string>()
  for await (const line of createInterface({ input: list.child.stdout! })) {
    const [name = '', ...rest] = line.split(' ')
    // commits have no path; the top folder of each has an empty one
    if (rest.length > 0 && rest.join(' ') !== '') paths.set(name, rest.join(' '))
  }
  await list.finished
  const check = git(dir, ['cat-file', '--batch-check=%(objectname) %(objecttype) %(objectsize)', '--buffer'])
  check.child.stdin!.on('error', () => {})
  check.child.stdin!.end([...paths.keys()].map(name => `${name}\n`).join(''))
  for await (const line of createInterface({ input: check.child.stdout! })) {
    const [name = '', type, size] = line.split(' ')
    if (type === 'blob' && Number(size) <= mostBytes) continue
    if (type === 'blob') looked.skipped.push(`${paths.get(name)}: larger than ${mostBytes >> 20} MiB`)
    paths.delete(name)
  }
  await check.finished
  return paths
}

/** `<name> <type> <size>\n<data>\n`, one after the other: see git-cat-file(1), BATCH OUTPUT. */
async function* objectsIn(stream: Readable): AsyncGenerator<{ name: string; data: Buffer }> {
  let rest = Buffer.alloc(0)
  let parts: Buffer[] = []
  let wanted = 0
  let have = 0
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    parts.push(chunk)
    have += chunk.length
    // an object that is not all there yet is not looked at again with each piece
    if (have < wanted) continue
    rest = Buffer.concat(parts)
    for (;;) {
      const end = rest.indexOf(10)
      if (end < 0) break
      const [name = '', , size] = rest.subarray(0, end).toString('latin1').split(' ')
      // `<name> missing`, of a partial clone
      const length = size === undefined ? -1 : Number(size)
      if (rest.length < end + 1 + length + 1) {
        wanted = end + 1 + length + 1
        break
      }
      if (length >= 0) yield { name, data: Buffer.from(rest.subarray(end + 1, end + 1 + length)) }
      rest = rest.subarray(end + 1 + length + 1)
      wanted = 0
    }
    parts = [rest]
    have = rest.length
  }
}

async function commitOf(dir: string, blob: string): Promise<string | undefined> {
  const log = git(dir, [
    'log',
    '--all',
    '--reflog',
    '-1',
    '--format=%H',
    '--no-textconv',
    '--no-ext-diff',
    `--find-object=${blob}`,
  ])
  let commit: string | undefined
  for await (const line of createInterface({ input: log.child.stdout! })) commit ??= line
  await log.finished.catch(() => {})
  return commit
}

/** `finished` rejects with git's own words. */
function git(dir: string, words: readonly string[]): { child: ChildProcess; finished: Promise<void> } {
  const child = spawn('git', [...settings, '-C', dir, ...words], { env: { ...process.env, ...environment } })
  let said = ''
  child.stderr!.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString('utf8')).slice(-2000)
  })
  const finished = (async () => {
    try {
      const [code] = (await once(child, 'close')) as [number | null]
      if (code === 0) return
    } catch (cause) {
      throw new TrustplaneError('TP_PROGRAM_MISSING', `cannot run git, which reads the history of ${dir}`, {
        fix: 'install git, or look at the files alone: --no-history',
        cause,
      })
    }
    throw new TrustplaneError('TP_INPUT_INVALID', `git cannot read ${dir}: ${said.trim()}`, {
      fix: 'give a repository that `git -C DIR log` can read',
      at: { file: dir },
    })
  })()
  // whoever reads stdout first awaits it a moment later
  finished.catch(() => {})
  return { child, finished }
}
