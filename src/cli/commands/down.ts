/** `trustplane down`: stops the mesh; no process and no port stays behind. */
import type { Command } from 'commander'
import { stopMesh } from '#mesh/down.ts'
import { createCommand, onRun } from '../command.ts'
import type { Io } from '../io.ts'
import { printDocument } from '../output.ts'

export function build(io?: Io): Command {
  const command = createCommand({
    name: 'down',
    summary: 'stop it; no process and no port stays behind',
    description: 'The state directory with its certificates, records and logs stays.',
    formats: ['table', 'json', 'yaml'],
    examples: [
      { does: 'Stop the mesh of .trustplane', line: 'trustplane down' },
      { does: 'Stop another one, and forget it', line: 'trustplane down --dir /tmp/mesh && rm -r /tmp/mesh' },
    ],
  })
  return onRun(command, io, async (_, { io, options, style, say }) => {
    const stopped = await stopMesh(options.dir)
    if (options.output !== 'table')
      return printDocument(io, 'MeshStopped', { dir: options.dir, ...stopped }, options.output as 'json')
    if (stopped.stale) say(`! the launcher had died already; mesh.json was stale`)
    say(`${style.symbol('ok')} stopped ${stopped.pids.length} processes in ${options.dir}`)
  })
}
