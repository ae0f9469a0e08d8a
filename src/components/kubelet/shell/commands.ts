/** The programs that simulated containers have. None of them touches the host: files are the container's own, made up. */
import { pause } from '#kubernetes/backoff.ts'
import type { Io } from './io.ts'

export type Program = (args: readonly string[], io: Io) => Promise<number> | number

/** `exit` inside a script. */
export class Exit extends Error {
  readonly status: number
  constructor(status: number) {
    super(`exit ${status}`)
    this.status = status
  }
}

const escapes: Record<string, string> = { n: '\n', t: '\t', r: '\r', '\\': '\\', a: '\x07', 0: '\0' }
const unescaped = (text: string) => text.replace(/\\([ntra0\\])/g, (_, char: string) => escapes[char]!)

const unitMs: Record<string, number> = { '': 1000, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

async function cat(args: readonly string[], io: Io): Promise<number> {
  const names = args.filter(arg => !/^-[nu]+$/.test(arg))
  let status = 0
  for (const name of names.length > 0 ? names : ['-']) {
    if (name === '-') {
      for (let chunk = await io.read(); chunk !== undefined; chunk = await io.read()) io.out(chunk)
      continue
    }
    const content = await io.file(name)
    if (content !== undefined) io.out(content)
    else {
      io.err(`cat: can't open '${name}': No such file or directory\n`)
      status = 1
    }
  }
  return status
}

async function sleep(args: readonly string[], io: Io): Promise<number> {
  let ms = 0
  for (const arg of args) {
    const match = /^(\d+(?:\.\d+)?)([smhd]?)$/.exec(arg)
    if (match) ms += Number(match[1]) * unitMs[match[2]!]!
    else if (arg === 'infinity' || arg === 'inf') ms = Number.POSITIVE_INFINITY
    else {
      io.err(`sleep: invalid number '${arg}'\n`)
      return 1
    }
  }
  // setTimeout's most is 2^31 - 1 ms
  for (let left = ms; left > 0 && !io.signal.aborted; left -= 2 ** 31 - 1)
    await pause(Math.min(left, 2 ** 31 - 1), io.signal)
  return io.signal.aborted ? 143 : 0
}

const comparisons: Record<string, (a: string, b: string) => boolean> = {
  '=': (a, b) => a === b,
  '==': (a, b) => a === b,
  '!=': (a, b) => a !== b,
  '-eq': (a, b) => Number(a) === Number(b),
  '-ne': (a, b) => Number(a) !== Number(b),
  '-lt': (a, b) => Number(a) < Number(b),
  '-le': (a, b) => Number(a) <= Number(b),
  '-gt': (a, b) => Number(a) > Number(b),
  '-ge': (a, b) => Number(a) >= Number(b),
}

async function test(args: readonly string[], io: Io): Promise<number> {
  if (args[0] === '!') return (await test(args.slice(1), io)) === 0 ? 1 : 0
  const [a = '', b, c = ''] = args
  if (args.length === 3 && comparisons[b!]) return comparisons[b!]!(a, c) ? 0 : 1
  if (args.length === 2 && a === '-n') return b ? 0 : 1
  if (args.length === 2 && a === '-z') return b ? 1 : 0
  if (args.length === 2 && /^-[efrs]$/.test(a)) return (await io.file(b!)) === undefined ? 1 : 0
  if (args.length === 2 && a === '-d') return io.folder(b!) ? 0 : 1
  return args.length === 1 && a !== '' ? 0 : 1
}

function echo(args: readonly string[], io: Io): number {
  let newline = '\n'
  let interpret = false
  let first = 0
  for (; /^-[neE]+$/.test(args[first] ?? ''); first++) {
    if (args[first]!.includes('n')) newline = ''
    if (args[first]!.includes('e')) interpret = true
  }
  const text = args.slice(first).join(' ')
  io.out((interpret ? unescaped(text) : text) + newline)
  return 0
}

function printf([format = '', ...args]: readonly string[], io: Io): number {
  let i = 0
  const once = () =>
    unescaped(format).replace(/%([sd%])/g, (_, kind: string) => (kind === '%' ? '%' : (args[i++] ?? '')))
  do io.out(once())
  while (i > 0 && i < args.length)
  return 0
}

const environment = (io: Io) => [...io.env].map(([name, value]) => `${name}=${value}\n`).join('')

export const programs: Record<string, Program> = {
  ':': () => 0,
  true: () => 0,
  false: () => 1,
  echo,
  printf,
  cat,
  sleep,
  test,
  '[': (args, io) => test(args.slice(0, -1), io),
  env(_args, io) {
    io.out(environment(io))
    return 0
  },
  printenv(names, io) {
    if (names.length === 0) io.out(environment(io))
    const values = names.flatMap(name => io.env.get(name) ?? [])
    for (const value of values) io.out(`${value}\n`)
    return values.length === names.length ? 0 : 1
  },
  hostname(_args, io) {
    io.out(`${io.hostname}\n`)
    return 0
  },
  pwd(_args, io) {
    io.out('/\n')
    return 0
  },
  ls(args, io) {
    const path = args.find(arg => !arg.startsWith('-')) ?? '/'
    const names = io.folder(path)
    if (!names) {
      io.err(`ls: ${path}: No such file or directory\n`)
      return 1
    }
    for (const name of names) io.out(`${name}\n`)
    return 0
  },
  date(_args, io) {
    // `Tue, 24 Nov 2026 07:00:00 GMT` to `Tue Nov 24 07:00:00 UTC 2026`
    const [day = '', date, month, year, time] = io.now().toUTCString().split(' ')
    io.out(`${day.slice(0, 3)} ${month} ${date} ${time} UTC ${year}\n`)
    return 0
  },
  id(_args, io) {
    io.out('uid=0(root) gid=0(root) groups=0(root)\n')
    return 0
  },
  whoami(_args, io) {
    io.out('root\n')
    return 0
  },
  uname(args, io) {
    io.out(args.includes('-a') ? `Linux ${io.hostname} 6.1.0-trustplane #1 SMP x86_64 Linux\n` : 'Linux\n')
    return 0
  },
  seq(args, io) {
    const [from, to] = args.length > 1 ? [Number(args[0]), Number(args.at(-1))] : [1, Number(args[0])]
    for (let n = from; n <= Math.min(to, from + 9999); n++) io.out(`${n}\n`)
    return 0
  },
  exit([status = '0']) {
    throw new Exit(Number(status) & 255)
  },
}
