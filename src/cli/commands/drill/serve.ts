/** Not for people: the process that a drill's mesh runs in. */
import { type Command, Option } from 'commander'
import { runDrill } from '#drills/run.ts'
import { parsePorts } from '#mesh/ports.ts'
import { createCommand, onRun } from '../../command.ts'
import type { Io } from '../../io.ts'
import { onInterrupt } from '../../signals.ts'

export function buildServe(io: Io | undefined): Command {
  const command = createCommand({
    name: 'serve',
    summary: 'run the mesh of a drill',
    examples: [{ does: 'What `trustplane drill` starts', line: 'trustplane drill serve' }],
  }).addOption(new Option('--ports <which>', 'as of `trustplane up`').default('random'))
  return onRun<{ ports: string }>(command, io, async (_, { options }) => {
    const interrupt = onInterrupt()
    try {
      await using _drill = await runDrill(options.dir, { ports: parsePorts(options.ports), signal: interrupt.signal })
      process.send?.({ type: 'up' }, () => process.disconnect())
      return await interrupt.status
    } catch (error) {
      if (interrupt.received !== undefined) return interrupt.received
      throw error
    }
  })
}
