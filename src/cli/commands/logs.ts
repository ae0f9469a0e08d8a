/** `trustplane logs`: what a component wrote to its stderr. */
import { createReadStream, existsSync, readdirSync, statSync, watch } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { type Command, Option } from 'commander'
import { nearest, TrustplaneError } from '#errors.ts'
import { createCommand, onRun, wholeNumber } from '../command.ts'
import type { Io } from '../io.ts'
import { onInterrupt } from '../signals.ts'

interface LogsOptions {
  follow?: boolean
  tail?: number
  previous?: boolean
}

export function build(io?: Io): Command {
  const command = createCommand({
    name: 'logs',
    summary: "a component's log",
    description: 'As the component wrote it: JSON lines with the keys of its original.',
    examples: [
      { does: 'Why did etcd refuse it?', line: 'trustplane logs etcd | grep rejected' },
      { does: 'The last lines, and what comes', line: 'trustplane logs kube-apiserver --tail 20 -f' },
      { does: 'Of the run before this one', line: 'trustplane logs kubelet --previous' },
    ],
  })
    .argument('<component>', 'its name; kubelets of other nodes are kubelet@node-2')
    .addOption(new Option('-f, --follow', 'go on'))
    .addOption(new Option('--tail <lines>', 'only the last lines').argParser(wholeNumber(0)))
    .addOption(new Option('-p, --previous', 'of the run before this one'))
  return onRun<LogsOptions>(command, io, async ([component = ''], { io, options }) => {
    const folder = join(options.dir, 'logs')
    const file = join(folder, `${component}.log${options.previous ? '.previous' : ''}`)
    if (!existsSync(file)) throw missing(folder, component, Boolean(options.previous))
    let offset = options.tail === undefined ? 0 : await offsetOfTail(file, options.tail)
    const copy = async () => {
      const end = statSync(file).size
      if (end <= offset) return
      await pipeline(createReadStream(file, { start: offset, end: end - 1 }), io.stdout, { end: false })
      offset = end
    }
    await copy()
    if (options.follow) return follow(file, copy)
  })
}

async function follow(file: string, copy: () => Promise<void>): Promise<number> {
  const interrupt = onInterrupt()
  let busy = Promise.resolve()
  const watcher = watch(file, () => {
    busy = busy.then(copy)
  })
  const status = await interrupt.status
  watcher.close()
  interrupt.release()
  await busy
  return status
}

async function offsetOfTail(file: string, lines: number): Promise<number> {
  const ends: number[] = []
  let position = 0
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) ends.push(position + at + 1)
    position += chunk.length
  }
  return lines >= ends.length ? 0 : ends[ends.length - 1 - lines]!
}

function missing(folder: string, component: string, previous: boolean): TrustplaneError {
  const suffix = previous ? '.log.previous' : '.log'
  const known = existsSync(folder)
    ? readdirSync(folder)
        .filter(name => name.endsWith(suffix))
        .map(name => name.slice(0, -suffix.length))
    : []
  if (known.length === 0) {
    return new TrustplaneError('TP_NOT_RUNNING', `there are no logs in ${folder}`, {
      fix: previous ? 'there was no run before this one' : 'start a mesh with `trustplane up`',
    })
  }
  const near = nearest(component, known)
  return new TrustplaneError('TP_NAME_UNKNOWN', `there is no log of ${JSON.stringify(component)} in ${folder}`, {
    fix: near ? `did you mean \`trustplane logs ${near}\`?` : `there are logs of ${known.join(', ')}`,
  })
}
