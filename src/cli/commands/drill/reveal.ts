/** `trustplane drill reveal`: what was broken, and what mends it. */
import type { Command } from 'commander'
import { requireDrill, scenarioOf } from '#drills/state.ts'
import { createCommand, onRun } from '../../command.ts'
import type { Io } from '../../io.ts'
import { printDocument } from '../../output.ts'

export function buildReveal(io: Io | undefined): Command {
  const command = createCommand({
    name: 'reveal',
    summary: 'what was broken, why that happens, and where it is from',
    formats: ['pretty', 'json', 'yaml'],
    examples: [{ does: 'The answer', line: 'trustplane drill reveal' }],
  })
  return onRun(command, io, async (_, { io, options }) => {
    const drill = requireDrill(options.dir)
    const { name, group, title, story, sources, fix } = await scenarioOf(drill)
    const steps = fix.map(({ name, targets }) => [name, ...targets].join(' '))
    if ((options.output as string) !== 'pretty') {
      const document = { id: drill.id, scenario: `${group}/${name}`, title, story, fix: steps, sources }
      return printDocument(io, 'DrillAnswer', document, options.output as 'json' | 'yaml')
    }
    const indented = (text: string) => text.replaceAll(/^(?=.)/gm, '  ')
    io.stdout.write(
      `${title}\n\n${indented(story)}\n\nmended by: ${steps.join(', then ')}\nthe scenario: trustplane run ${group}/${name}\n${sources.map(source => `see: ${source}\n`).join('')}`,
    )
  })
}
