/** `trustplane drill hint`: a little more each time. */
import type { Command } from 'commander'
import { nextHint } from '#drills/hints.ts'
import { createCommand, onRun } from '../../command.ts'
import type { Io } from '../../io.ts'
import { printDocument } from '../../output.ts'

export function buildHint(io: Io | undefined): Command {
  const command = createCommand({
    name: 'hint',
    summary: 'a hint, each a little more; they are counted',
    description:
      'First where to look, then who refuses, why, and which two things do not fit; the last one is the way out.',
    formats: ['pretty', 'json', 'yaml'],
    examples: [{ does: 'The next one', line: 'trustplane drill hint' }],
  })
  return onRun(command, io, async (_, { io, options }) => {
    const hint = await nextHint(options.dir)
    if ((options.output as string) !== 'pretty') {
      return printDocument(io, 'DrillHint', hint, options.output as 'json' | 'yaml')
    }
    io.stdout.write(`hint ${hint.number} of ${hint.of}: ${hint.text}\n`)
  })
}
