/** Command-line flags of the stand-ins: a table each, read by commander, with Go's spellings (`--a=b`, `--a b`, `-a` for etcd, booleans with or without value). */
import { Command, Option } from 'commander'
import { parseDuration } from '#clock.ts'
import { nearest, TrustplaneError } from '#errors.ts'

export type FlagKind = 'string' | 'int' | 'bool' | 'duration' | 'list' | 'repeated'

export interface FlagSpec {
  /** Without dashes: `tls-cert-file`. */
  name: string
  kind: FlagKind
  /** As the original's --help says it, shortened. */
  description: string
  default?: string
  /** False: the original has it, we accept it and do nothing; said once in the log. Default true. */
  acted?: boolean
  /** True: ours, not the original's (`--clock-offset`). */
  ours?: boolean
}

type ValueOf<K extends FlagKind> = K extends 'bool'
  ? boolean
  : K extends 'int' | 'duration'
    ? number
    : K extends 'list' | 'repeated'
      ? string[]
      : string

/** Values by flag name. A flag without default that was not given is undefined. Durations are milliseconds. */
export type FlagValues<T extends readonly FlagSpec[]> = {
  [F in T[number] as F['name']]: F extends { default: string } ? ValueOf<F['kind']> : ValueOf<F['kind']> | undefined
}

export interface ParsedFlags<T extends readonly FlagSpec[]> {
  values: FlagValues<T>
  /** Flags that were given, by name. */
  given: ReadonlySet<string>
  /** Flags that were given and that we accept without acting on them. */
  ignored: readonly string[]
}

/** Flags that every stand-in has, in the original's or in our own right. */
export const commonFlags = [
  {
    name: 'clock-offset',
    kind: 'duration',
    description: 'judge and issue as if it were this much later (364d) or earlier (-10m)',
    default: '0',
    ours: true,
  },
  {
    name: 'voice',
    kind: 'string',
    description: 'whose words and rules: go1.24 or go1.19',
    default: 'go1.24',
    ours: true,
  },
  {
    name: 'state-dir',
    kind: 'string',
    description: 'where connection records go (<dir>/connections/<component>.jsonl)',
    ours: true,
  },
  {
    name: 'require-client-certificate',
    kind: 'bool',
    description: 'refuse a missing or bad client certificate inside TLS, which the original does not do',
    default: 'false',
    ours: true,
  },
] as const satisfies readonly FlagSpec[]

/**
 * Reads `argv` by the table. TRUSTPLANE_<FLAG> in `env` stands in for one of our own flags (`ours`) that is not given.
 * @throws TrustplaneError TP_FLAG_UNKNOWN (names the nearest known flag), TP_FLAG_INVALID
 */
export function parseFlags<const T extends readonly FlagSpec[]>(
  component: string,
  table: T,
  argv: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): ParsedFlags<T> {
  const byName = new Map(table.map(flag => [flag.name, flag]))
  const given = new Map<string, string[]>()
  const command = new Command(component)
    .exitOverride()
    .configureOutput({ writeErr() {}, writeOut() {} })
    .helpOption(false)
    .allowExcessArguments(true)
  for (const flag of table) {
    const option = new Option(`--${flag.name} ${flag.kind === 'bool' ? '[bool]' : '<value>'}`, flag.description)
    option.argParser((value: string) => {
      given.set(flag.name, [...(given.get(flag.name) ?? []), value])
      return value
    })
    option.preset('true')
    command.addOption(option)
  }
  command.argument('[rest...]')
  try {
    command.parse(normalize(argv, byName), { from: 'user' })
  } catch (error) {
    const code = (error as { code?: string }).code
    const word = /'(-[^']*)'/.exec((error as Error).message)?.[1]
    if (code === 'commander.unknownOption' && word) {
      const name = word.replace(/^-+/, '').split('=')[0]!
      const near = nearest(name, byName.keys())
      throw new TrustplaneError('TP_FLAG_UNKNOWN', `${component}: unknown flag: --${name}`, {
        fix: near ? `did you mean --${near}?` : `see \`trustplane ${component} --help\``,
        cause: error,
      })
    }
    throw new TrustplaneError('TP_FLAG_INVALID', `${component}: ${(error as Error).message.replace(/^error: /, '')}`, {
      fix: `see \`trustplane ${component} --help\``,
      cause: error,
    })
  }
  if (command.args.length > 0) {
    throw new TrustplaneError(
      'TP_FLAG_INVALID',
      `${component}: unexpected argument ${JSON.stringify(command.args[0])}`,
      { fix: 'flags are written --name=value' },
    )
  }
  const values: Record<string, unknown> = {}
  const ignored: string[] = []
  for (const flag of table) {
    const fromEnv = flag.ours ? env[`TRUSTPLANE_${flag.name.toUpperCase().replaceAll('-', '_')}`] : undefined
    const texts =
      given.get(flag.name) ??
      (fromEnv !== undefined ? [fromEnv] : flag.default !== undefined ? [flag.default] : undefined)
    if (texts) values[flag.name] = convert(component, flag, texts)
    if (flag.acted === false && given.has(flag.name)) ignored.push(flag.name)
  }
  return { values: values as FlagValues<T>, given: new Set(given.keys()), ignored }
}

/** Go's flag package takes `-name` for `--name` (etcd); commander would read it as short options. A bare boolean never eats the next word. */
function normalize(argv: readonly string[], byName: ReadonlyMap<string, FlagSpec>): string[] {
  return argv.map(word => {
    const match = /^--?([A-Za-z][\w-]*)(=.*)?$/s.exec(word)
    const flag = match && byName.get(match[1]!)
    if (!match || !flag) return word
    return flag.kind === 'bool' && match[2] === undefined ? `--${flag.name}=true` : `--${flag.name}${match[2] ?? ''}`
  })
}

function convert(component: string, flag: FlagSpec, texts: string[]): unknown {
  const last = texts.at(-1)!
  const invalid = (expected: string) =>
    new TrustplaneError(
      'TP_FLAG_INVALID',
      `${component}: invalid argument ${JSON.stringify(last)} for "--${flag.name}" flag: expected ${expected}`,
      { fix: flag.description },
    )
  switch (flag.kind) {
    case 'string':
      return last
    case 'int':
      if (!/^-?\d+$/.test(last)) throw invalid('a whole number')
      return Number(last)
    case 'bool':
      if (!/^(true|false|1|0|t|f|T|F|TRUE|FALSE|True|False)$/.test(last)) throw invalid('true or false')
      return /^(true|1|t)$/i.test(last)
    case 'duration':
      return parseDuration(/^\d+$/.test(last) ? `${last}s` : last)
    case 'list':
      return texts.flatMap(text => (text === '' ? [] : text.split(',')))
    case 'repeated':
      return texts
  }
}

/** The --help text of a stand-in: its table. */
export function helpText(component: string, summary: string, table: readonly FlagSpec[]): string {
  const line = (flag: FlagSpec) => {
    const kind = flag.kind === 'bool' ? '' : ` ${flag.kind === 'repeated' ? 'string' : flag.kind}`
    const tail = flag.default && flag.default !== '0' ? ` (default ${flag.default})` : ''
    return `      --${flag.name}${kind}\n            ${flag.description}${tail}${flag.acted === false ? ' [accepted, not acted on]' : ''}`
  }
  const theirs = table.filter(flag => !flag.ours).map(line)
  const ours = table.filter(flag => flag.ours).map(line)
  return `${summary}\n\nUsage:\n  trustplane ${component} [flags]\n\nFlags (the original's):\n${theirs.join('\n')}\n\nFlags (trustplane's own):\n${ours.join('\n')}\n`
}
