/** `trustplane drill list`: what there is, by its symptoms. */
import { type Command, Option } from 'commander'
import { drills } from '#drills/catalogue.ts'
import type { Drill, Level } from '#drills/types.ts'
import { createCommand, onRun, wholeNumber } from '../../command.ts'
import type { Io } from '../../io.ts'
import { type Column, print } from '../../output.ts'

export function buildList(io: Io | undefined): Command {
  const command = createCommand({
    name: 'list',
    summary: 'what there is, by what people notice',
    description: 'The names of the scenarios, which tell the cause, are shown with -o wide.',
    formats: ['table', 'wide', 'json', 'yaml'],
    examples: [
      { does: 'All', line: 'trustplane drill list' },
      { does: 'For a teacher: with the answers', line: 'trustplane drill list --level 2 -o wide' },
    ],
  }).addOption(new Option('--level <1-3>', 'only these').argParser(wholeNumber(1, 3)))
  return onRun<{ level?: Level }>(command, io, async (_, { io, options }) => {
    const rows = (await drills()).filter(({ level }) => options.level === undefined || level === options.level)
    const columns: Column<Drill>[] = [
      { header: 'DRILL', value: drill => drill.id },
      { header: 'LEVEL', value: drill => String(drill.level) },
      { header: 'SCENARIO', wide: true, value: ({ scenario }) => `${scenario.group}/${scenario.name}` },
      { header: 'WHAT PEOPLE SAY', value: drill => drill.symptoms.join('; ') },
    ]
    const items = rows.map(({ id, level, symptoms }) => ({ id, level, symptoms }))
    await print(
      io,
      { kind: 'DrillList', document: { items }, rows, columns },
      { format: options.output, headers: options.headers },
    )
  })
}
