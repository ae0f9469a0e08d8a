/** `trustplane drill`: something is broken, and nobody says what. A file a subcommand, in `drill/`. */
import type { Command } from 'commander'
import { addDefault, createCommand } from '../command.ts'
import type { Io } from '../io.ts'
import { buildCheck } from './drill/check.ts'
import { buildHint } from './drill/hint.ts'
import { buildList } from './drill/list.ts'
import { buildReveal } from './drill/reveal.ts'
import { buildServe } from './drill/serve.ts'
import { buildStart } from './drill/start.ts'
import { buildStop } from './drill/stop.ts'

export function build(io?: Io): Command {
  const command = createCommand({
    name: 'drill',
    summary: 'break something unseen; find it, mend it, have it checked',
    description:
      'Starts a control plane with a fault in it that you are not told, in a folder of its own. You have kubectl, logs and files,\nas on a real node; hints when you ask for them; and a check that dials every connection again.',
    examples: [
      { does: 'Any', line: 'trustplane drill' },
      { does: 'An easy one, and the same one for everybody in the room', line: 'trustplane drill --level 1 --seed 42' },
      { does: 'Where do I look?', line: 'trustplane drill hint' },
      { does: 'Is it mended?', line: 'trustplane drill check' },
      { does: 'What was it?', line: 'trustplane drill reveal' },
      { does: 'Enough', line: 'trustplane drill stop' },
    ],
  })
  addDefault(command, buildStart(io))
  return command
    .addCommand(buildHint(io))
    .addCommand(buildCheck(io))
    .addCommand(buildReveal(io))
    .addCommand(buildStop(io))
    .addCommand(buildList(io))
    .addCommand(buildServe(io), { hidden: true })
}
