/** How an error looks to a person, and to a program. Only main.ts calls this. */
import { CommanderError } from 'commander'
import { diskTrouble, exitCodes, messageOf, TrustplaneError } from '#errors.ts'
import { apiVersion } from '#mesh/state.ts'
import type { Io } from './io.ts'

interface Shown {
  code: string
  message: string
  fix?: string
  at?: TrustplaneError['at']
  exitCode: number
  /** Only for a bug of ours. */
  stack?: string
}

/** Prints `error` on stderr (`-o json`: as one JSON document) and returns the exit status. */
export function printError(io: Io, error: unknown, asJson: boolean): number {
  const shown = read(error)
  if (asJson) {
    io.stderr.write(`${JSON.stringify({ apiVersion, kind: 'Error', ...shown })}\n`)
    return shown.exitCode
  }
  const { file, line, column } = shown.at ?? {}
  const place = file && [file, line, column].filter(part => part !== undefined).join(':')
  // a message that already names its place need not say it twice
  const where = place && !shown.message.includes(place) ? `\n    at: ${place}` : ''
  const fix = shown.fix ? `\n    fix: ${indent(shown.fix)}` : ''
  const stack = shown.stack ? `\n    ${indent(shown.stack)}` : ''
  io.stderr.write(`× ${shown.code}\n    ${indent(shown.message)}${where}${fix}${stack}\n`)
  return shown.exitCode
}

const indent = (text: string) => text.trimEnd().replaceAll('\n', '\n    ')

function read(error: unknown): Shown {
  if (error instanceof TrustplaneError) {
    const { code, message, fix, at, exitCode } = error
    return { code, message, ...(fix ? { fix } : {}), ...(at ? { at } : {}), exitCode }
  }
  if (error instanceof CommanderError) {
    const [message = '', suggestion] = error.message.replace(/^error: /, '').split(/\n\(|\)$/)
    const fix = suggestion?.replace(/^Did you mean (.*)\?$/, 'did you mean `$1`?')
    return { code: 'TP_USAGE', message, fix: fix ?? 'see `--help`', exitCode: exitCodes.usage }
  }
  const disk = diskTrouble(error)
  if (disk) {
    const { code, path, dest = path } = error as NodeJS.ErrnoException & { dest?: string }
    return {
      code: 'TP_FILE_UNREADABLE',
      message: `cannot write${dest ? ` ${dest}` : ''}: ${disk.what} (${code})`,
      fix: `${disk.fix}, and run the command again: keys and certificates are put in place whole, or not at all`,
      exitCode: exitCodes.environment,
    }
  }
  const stack = error instanceof Error ? error.stack?.split('\n').slice(1).join('\n').trim() : undefined
  return {
    code: 'TP_INTERNAL',
    message: messageOf(error),
    fix: 'this is a bug in trustplane: please report it with the lines below',
    exitCode: exitCodes.internal,
    ...(stack ? { stack } : {}),
  }
}
