/** The command line's way in: finds the command or component, and is the only place that prints an error and decides the exit status. */
import { type ProgramName, programNames } from '#components/component.ts'
import { exitCodes, nearest, TrustplaneError } from '#errors.ts'
import { commands } from './commands.ts'
import { type Io, processIo } from './io.ts'

const isComponent = (name: string): name is ProgramName => (programNames as readonly string[]).includes(name)

/** Runs `trustplane …argv` and resolves with its exit status. */
export async function main(argv: readonly string[], io: Io = processIo()): Promise<number> {
  const [name, ...rest] = argv
  try {
    if (name === undefined || name === '--help' || name === '-h' || name === 'help') return await help(rest, io)
    if (name === '--version' || name === '-V' || name === 'version') return await version(rest, io)
    if (isComponent(name)) {
      const { runComponent } = await import('#components/run.ts')
      return (await runComponent(name, rest)) ?? exitCodes.ok
    }
    // not for people: what the launcher runs a real program under
    if (name === 'guard') return await (await import('#mesh/guard.ts')).guard(rest)
    return await runCommand(name, rest, io)
  } catch (error) {
    const { printError } = await import('./errors.ts')
    return printError(io, error, wantsJson(rest, io.env))
  }
}

async function runCommand(name: string, argv: readonly string[], io: Io): Promise<number> {
  const entry = commands.find(command => command.name === name)
  if (!entry) {
    const known = nearest(name, [...commands.map(command => command.name), ...programNames])
    throw new TrustplaneError('TP_NAME_UNKNOWN', `unknown command ${JSON.stringify(name)}`, {
      fix: known ? `did you mean \`trustplane ${known}\`?` : 'see `trustplane --help`',
    })
  }
  const [{ build }, { completeCommand, statusOf, withEnvironment }, { Command, CommanderError }] = await Promise.all([
    entry.load(),
    import('./command.ts'),
    import('commander'),
  ])
  const root = new Command('trustplane').addCommand(build(io))
  completeCommand(root)
  const settle = (command: InstanceType<typeof Command>) => {
    command.exitOverride().configureOutput({
      writeOut: text => io.stdout.write(text),
      writeErr: () => {},
      ...(io.columns ? { getOutHelpWidth: () => io.columns! } : {}),
    })
    command.commands.forEach(settle)
  }
  settle(root)
  try {
    await root.parseAsync(withEnvironment(root, [name, ...argv], io.env), { from: 'user' })
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return exitCodes.ok
    // `trustplane pki` alone: commander shows the help on stderr, which is silent here
    if (error instanceof CommanderError && error.code === 'commander.help') {
      io.stderr.write(root.commands[0]!.helpInformation())
      return exitCodes.usage
    }
    throw error
  }
  const status = statusOf(root)
  if (status !== undefined) return status
  return typeof process.exitCode === 'number' ? process.exitCode : exitCodes.ok
}

async function help(rest: readonly string[], io: Io): Promise<number> {
  if (rest[0] !== undefined && !rest[0].startsWith('-')) return main([...rest, '--help'], io)
  const { rootHelp } = await import('./help.ts')
  io.stdout.write(rootHelp())
  return exitCodes.ok
}

async function version(rest: readonly string[], io: Io): Promise<number> {
  const { versions } = await import('./version.ts')
  if (wantsJson(rest, io.env))
    io.stdout.write(`${JSON.stringify({ apiVersion: 'trustplane.io/v1alpha1', kind: 'Version', ...versions() })}\n`)
  else io.stdout.write(`trustplane ${versions().trustplane} (Node ${versions().node}, OpenSSL ${versions().openssl})\n`)
  return exitCodes.ok
}

/** Found without parsing, because parsing may be what failed. */
function wantsJson(argv: readonly string[], env: NodeJS.ProcessEnv): boolean {
  const asked = argv.some(
    (word, index) =>
      /^(-o=?json|--output=json)$/.test(word) || ((word === '-o' || word === '--output') && argv[index + 1] === 'json'),
  )
  return asked || (env.TRUSTPLANE_OUTPUT === 'json' && !argv.some(word => /^(-o|--output)/.test(word)))
}
