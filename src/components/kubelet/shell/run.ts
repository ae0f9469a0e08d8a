/** Runs a command line in a simulated container: programs by table, and `sh`, which is read here. Never a process of the host. */
import { pause } from '#kubernetes/backoff.ts'
import { Exit, programs } from './commands.ts'
import { emptyInput, type Io } from './io.ts'
import { parse, type Redirect, type Tree } from './parser.ts'
import { SyntaxProblem, type Word } from './words.ts'

const shells = new Set(['sh', 'bash', 'ash', 'dash'])
const baseName = (path: string) => path.split('/').at(-1)!

/** Is there such a program? What is not known is a server that runs until it is stopped. */
export const isKnown = (argv: readonly string[]) =>
  argv.length > 0 && (shells.has(baseName(argv[0]!)) || Object.hasOwn(programs, baseName(argv[0]!)))

/** @returns the exit status; 127 for a program that the container does not have */
export async function run(argv: readonly string[], io: Io): Promise<number> {
  const [name = '', ...args] = argv
  try {
    if (shells.has(baseName(name))) return await shell(args, io)
    return await call(argv, io)
  } catch (error) {
    if (error instanceof Exit) return error.status
    throw error
  }
}

async function call([name = '', ...args]: readonly string[], io: Io): Promise<number> {
  if (shells.has(baseName(name))) return run([name, ...args], io)
  const program = Object.hasOwn(programs, baseName(name)) ? programs[baseName(name)]! : undefined
  if (program) return program(args, io)
  io.err(`sh: ${name}: not found\n`)
  return 127
}

async function shell(args: readonly string[], io: Io): Promise<number> {
  const at = args.findIndex(arg => /^-[a-z]*c$/.test(arg))
  const state: State = { status: 0, loops: 0 }
  const evaluate = async (script: string) => {
    try {
      await evaluateTree(parse(script), io, state)
    } catch (error) {
      if (!(error instanceof SyntaxProblem)) throw error
      io.err(`sh: ${error.message}\n`)
      state.status = 2
    }
  }
  if (at !== -1) {
    await evaluate(args[at + 1] ?? '')
    return state.status
  }
  // interactive, or a script on stdin: a line at a time
  let rest = ''
  for (let chunk = await io.read(); chunk !== undefined; chunk = await io.read()) {
    rest += chunk.replace(/\r/g, '\n')
    for (let end = rest.indexOf('\n'); end !== -1; end = rest.indexOf('\n')) {
      const line = rest.slice(0, end)
      rest = rest.slice(end + 1)
      await evaluate(line)
    }
  }
  if (rest) await evaluate(rest)
  return state.status
}

interface State {
  status: number
  loops: number
}

async function evaluateTree(tree: Tree, io: Io, state: State): Promise<void> {
  if (io.signal.aborted) throw new Exit(143)
  switch (tree.kind) {
    case 'sequence':
    case 'and':
    case 'or':
      await evaluateTree(tree.left, io, state)
      if (tree.kind !== 'sequence' && (tree.kind === 'and') !== (state.status === 0)) return
      return evaluateTree(tree.right, io, state)
    case 'group':
      return evaluateTree(tree.body, io, state)
    case 'pipe': {
      let input: string | undefined
      for (const [i, command] of tree.commands.entries()) {
        let output = ''
        const collect = (text: string) => {
          output += text
        }
        const isLast = i === tree.commands.length - 1
        const piped = input
        await evaluateTree(
          command,
          {
            ...io,
            ...(piped === undefined ? {} : { read: once(piped) }),
            ...(isLast ? {} : { out: collect }),
          },
          state,
        )
        input = output
      }
      return
    }
    case 'if':
      await evaluateTree(tree.condition, io, state)
      if (state.status === 0) return evaluateTree(tree.body, io, state)
      state.status = 0
      return tree.otherwise && evaluateTree(tree.otherwise, io, state)
    case 'while':
      for (;;) {
        await evaluateTree(tree.condition, io, state)
        if ((state.status === 0) === tree.until) break
        await evaluateTree(tree.body, io, state)
        await breathe(io, state)
      }
      state.status = 0
      return
    case 'for':
      for (const value of await expand(tree.words, io, state)) {
        io.env.set(tree.name, value)
        await evaluateTree(tree.body, io, state)
        await breathe(io, state)
      }
      return
    case 'simple': {
      const words = await expand(tree.words, io, state)
      while (/^[A-Za-z_]\w*=/.test(words[0] ?? '') || (words[0] === 'export' && words.length > 0)) {
        const word = words.shift()!
        const at = word.indexOf('=')
        if (at > 0) io.env.set(word.slice(0, at), word.slice(at + 1))
      }
      if (words.length === 0) return
      state.status = await call(words, await redirected(tree.redirects, io, state))
    }
  }
}

/** A loop in a container must not take the process's every moment. */
async function breathe(io: Io, state: State): Promise<void> {
  if (++state.loops > 100) await pause(1, io.signal)
  if (io.signal.aborted) throw new Exit(143)
}

const once = (text: string) => {
  let rest: string | undefined = text
  return async () => {
    const now = rest || undefined
    rest = undefined
    return now
  }
}

/** Files cannot be written: what goes to one is gone, as if to /dev/null. */
async function redirected(redirects: readonly Redirect[], io: Io, state: State): Promise<Io> {
  let result = io
  for (const { operator, target } of redirects) {
    const { out, err } = result
    if (operator === '2>&1') result = { ...result, err: out }
    else if (operator.endsWith('>&2')) result = { ...result, out: err }
    else if (operator === '<') {
      const path = (await expand([target!], io, state)).join(' ')
      const content = path === '/dev/null' ? '' : await io.file(path)
      result = { ...result, read: content === undefined ? emptyInput : once(content) }
    } else {
      const nowhere = () => {}
      if (operator.startsWith('2') || operator === '&>') result = { ...result, err: nowhere }
      if (!operator.startsWith('2')) result = { ...result, out: nowhere }
    }
  }
  return result
}

async function expand(words: readonly Word[], io: Io, state: State): Promise<string[]> {
  const result: string[] = []
  for (const word of words) {
    let text = ''
    let any = false
    for (const piece of word) {
      if (piece.kind === 'text') {
        text += piece.text
        any ||= piece.quoted || piece.text !== ''
        continue
      }
      const value =
        piece.kind === 'variable'
          ? (variable(piece.name, io, state) ?? piece.fallback ?? '')
          : await substituted(piece.script, io, state)
      if (piece.quoted) {
        text += value
        any = true
        continue
      }
      // unquoted: what comes out is split into words
      const parts = value.split(/\s+/).filter(Boolean)
      parts.forEach((part, i) => {
        if (i > 0) {
          result.push(text)
          text = ''
        }
        text += part
        any = true
      })
    }
    if (any) result.push(text)
  }
  return result
}

const variable = (name: string, io: Io, state: State) =>
  name === '?' ? String(state.status) : name === '$' ? '1' : io.env.get(name)

async function substituted(script: string, io: Io, state: State): Promise<string> {
  let output = ''
  const collect = (text: string) => {
    output += text
  }
  await evaluateTree(parse(script), { ...io, out: collect }, state)
  return output.replace(/\n+$/, '')
}
