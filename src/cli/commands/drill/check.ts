/** `trustplane drill check`: everything is dialled again. */
import type { Command } from 'commander'
import { checkDrill, isRed } from '#drills/check.ts'
import type { DrillCheck } from '#drills/types.ts'
import { exitCodes } from '#errors.ts'
import { createCommand, onRun } from '../../command.ts'
import type { Io } from '../../io.ts'
import { printDocument } from '../../output.ts'
import type { Style } from '../../style.ts'

export function buildCheck(io: Io | undefined): Command {
  const command = createCommand({
    name: 'check',
    summary: 'is it mended? every connection is dialled again',
    description:
      'Also said: components that have not read what is on disk, and repairs that let more people in than before: verification\nswitched off, a CA trusted that should not be, a user in system:masters, readable keys. Exit status: 0 mended, 1 not yet.',
    formats: ['pretty', 'json', 'yaml'],
    examples: [{ does: 'After each step', line: 'trustplane drill check' }],
  })
  return onRun(command, io, async (_, { io, options, style }) => {
    const check = await checkDrill(options.dir)
    if ((options.output as string) === 'pretty') io.stdout.write(pretty(check, style))
    else await printDocument(io, 'DrillCheck', check, options.output as 'json' | 'yaml')
    return check.solved ? exitCodes.ok : exitCodes.findings
  })
}

/** Which connection, and not why: that is the learner's to find. */
function pretty({ solved, rows, components, loosened, hints, checks }: DrillCheck, style: Style): string {
  const red = rows.filter(isRed)
  const lines = [
    `${style.symbol(red.length === 0 ? 'ok' : 'fail')} ${rows.length - red.length} of ${rows.length} connections are well`,
    ...red.map(({ from, to, outcome }) => `    ${from} -> ${to}: ${outcome}`),
    ...components.map(line => `${style.symbol('fail')} ${line}`),
    ...loosened.map(line => `${style.symbol('fail')} too loose: ${line}`),
    solved
      ? `${style.bold('mended')}, with ${plural(hints, 'hint')} and ${plural(checks, 'check')}. What it was: trustplane drill reveal`
      : red.length === 0 && components.length === 0
        ? 'everything is green, and somebody is believed who was not before: that is no repair'
        : 'not yet',
  ]
  return lines.map(line => `${line}\n`).join('')
}

const plural = (count: number, word: string) => `${count} ${word}${count === 1 ? '' : 's'}`
