/** `trustplane drill stop`: the mesh stops, and what the drill made is gone. */
import { rmSync } from 'node:fs'
import { type Command, Option } from 'commander'
import { forgetDrill, requireDrill } from '#drills/state.ts'
import { stopMesh } from '#mesh/down.ts'
import { readState } from '#mesh/state.ts'
import { createCommand, onRun } from '../../command.ts'
import type { Io } from '../../io.ts'

export function buildStop(io: Io | undefined): Command {
  const command = createCommand({
    name: 'stop',
    summary: 'stop it, and remove what it made',
    description: 'The folder was empty before the drill; its broken certificates are of no use to anybody.',
    examples: [{ does: 'Stop, and look at the files again later', line: 'trustplane drill stop --keep' }],
  }).addOption(new Option('--keep', 'leave the files'))
  return onRun<{ keep?: boolean }>(command, io, async (_, { options, style, say }) => {
    const { dir, keep } = options
    requireDrill(dir)
    const stopped = readState(dir) ? await stopMesh(dir) : { pids: [] }
    if (keep) forgetDrill(dir)
    else rmSync(dir, { recursive: true, force: true })
    say(`${style.symbol('ok')} stopped ${stopped.pids.length} processes${keep ? '' : `, and removed ${dir}`}`)
  })
}
