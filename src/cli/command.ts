/** What commands are made with: a commander Command with examples, the options that all have, and an action that returns the exit status. */
import { Command, InvalidArgumentError, Option } from 'commander'
import { type Io, processIo } from './io.ts'
import { type Format, formatOf, formats } from './output.ts'
import { type ColorChoice, type Style, styleOf } from './style.ts'

/** Values of the options that every command has. */
interface SharedOptions {
  /** The state directory. */
  dir: string
  output: Format
  /** False with --no-headers. */
  headers: boolean
  color: ColorChoice
  quiet?: boolean
}

const sharedOptions = {
  dir: () => new Option('--dir <directory>', 'the state directory').default('.trustplane'),
  output: (allowed: readonly string[] = formats) =>
    new Option('-o, --output <format>', allowed.join(', '))
      .default(allowed[0] ?? 'table')
      .argParser(text => formatOf(text, allowed)),
  headers: () => new Option('--no-headers', 'tables without their first line'),
  color: () => new Option('--color <when>', 'colours and symbols').choices(['auto', 'always', 'never']).default('auto'),
  quiet: () => new Option('-q, --quiet', 'only errors and results'),
}

export interface CommandSpec {
  name: string
  summary: string
  /** A paragraph more, for --help. */
  description?: string
  /** Shown first-class in --help: what it does, and the command line. */
  examples: readonly { does: string; line: string }[]
  /** Formats of -o, the default first. */
  formats?: readonly string[]
}

export function createCommand(spec: CommandSpec): Command {
  const command = new Command(spec.name).summary(spec.summary)
  command.description(spec.description ? `${spec.summary}\n\n${spec.description}` : spec.summary)
  if (spec.formats) command.addOption(sharedOptions.output(spec.formats))
  const examples = spec.examples.map(({ does, line }) => `  # ${does}\n  ${line}`).join('\n\n')
  if (examples) command.addHelpText('after', `\nExamples:\n${examples}`)
  return command
}

/** Gives a command of any author, and each below it, what all commands have. */
export function completeCommand(command: Command): void {
  for (const child of command.commands) completeCommand(child)
  if (command.commands.length === 0) {
    for (const make of Object.values(sharedOptions)) {
      const option = make()
      if (!command.options.some(known => known.long === option.long)) command.addOption(option)
    }
  }
  // for --help; commander itself reads the variables only of options that had them when they were added
  for (const option of command.options) option.env(variableOf(option))
}

const variableOf = (option: Option) =>
  `TRUSTPLANE_${(option.long ?? option.short ?? '').replace(/^-+/, '').toUpperCase().replaceAll('-', '_')}`

const defaults = new WeakSet<Command>()

/** Adds a subcommand that is meant when none is named: `trustplane drill` is `trustplane drill start`. */
export function addDefault(command: Command, child: Command): void {
  defaults.add(child)
  command.addCommand(child, { isDefault: true })
}

/** `argv` with a flag for every TRUSTPLANE_<OPTION> that is set, before the flags that were given: the last one counts. */
export function withEnvironment(root: Command, argv: readonly string[], env: NodeJS.ProcessEnv): string[] {
  let command = root
  let depth = 0
  for (; depth < argv.length; depth++) {
    const child = command.commands.find(candidate => candidate.name() === argv[depth])
    if (!child) break
    command = child
  }
  command = command.commands.find(child => defaults.has(child)) ?? command
  const flags = command.options.flatMap(option => {
    const value = env[variableOf(option)]
    if (value === undefined) return []
    if (option.required || option.optional) return [`${option.long}=${value}`]
    return /^(|0|false|no|off)$/i.test(value) ? [] : [option.long!]
  })
  return [...argv.slice(0, depth), ...flags, ...argv.slice(depth)]
}

export interface ActionContext<Options> {
  io: Io
  style: Style
  options: Options & SharedOptions
  /** Progress and hints: stderr, silent with --quiet. */
  say(line: string): void
}

const statuses = new WeakMap<Command, number>()

/**
 * Sets a command's action. It returns the exit status (nothing: 0) or throws a TrustplaneError; it never exits by itself.
 * `args` are the positional arguments.
 */
export function onRun<Options extends object>(
  command: Command,
  io: Io | undefined,
  action: (args: string[], context: ActionContext<Options>) => Promise<number | undefined> | Promise<void>,
): Command {
  return command.action(async () => {
    const options = command.optsWithGlobals() as Options & SharedOptions
    const streams = io ?? processIo()
    const status = await action(command.args, {
      io: streams,
      style: styleOf(streams, options.color),
      options,
      say: line => {
        if (!options.quiet) streams.stderr.write(`${line}\n`)
      },
    })
    statuses.set(rootOf(command), status ?? 0)
  })
}

/** The status that the action returned, if it was one of ours. */
export const statusOf = (command: Command): number | undefined => statuses.get(rootOf(command))

const rootOf = (command: Command): Command => (command.parent ? rootOf(command.parent) : command)

/** An option's parser for whole numbers. */
export function wholeNumber(least: number, most = Number.MAX_SAFE_INTEGER) {
  return (text: string): number => {
    const value = Number(text)
    if (!/^\d+$/.test(text) || value < least || value > most) {
      throw new InvalidArgumentError(`Expected a whole number from ${least}${most < 1e9 ? ` to ${most}` : ''}.`)
    }
    return value
  }
}
