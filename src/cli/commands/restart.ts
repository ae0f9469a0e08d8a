/** `trustplane restart`: stops components of a mesh that runs, and starts them again. */
import type { Command } from 'commander'
import { exitCodes } from '#errors.ts'
import { askToRestart } from '#mesh/control.ts'
import { requireRunning } from '#mesh/state.ts'
import { createCommand, onRun } from '../command.ts'
import { componentLine } from '../connection-table.ts'
import type { Io } from '../io.ts'
import { printDocument } from '../output.ts'

export function build(io?: Io): Command {
  const command = createCommand({
    name: 'restart',
    summary: 'stop a component and start it again: it reads all its files',
    description:
      'With the command line that it had; or, where the state directory has manifests/NAME.yaml (a drill has), with the one there.\nExit status: 0 when it serves again, 1 when it does not.',
    formats: ['table', 'json', 'yaml'],
    examples: [
      { does: 'After its kubeconfig was renewed', line: 'trustplane restart kube-scheduler' },
      { does: 'Several, one after the other', line: 'trustplane restart etcd kube-apiserver' },
      { does: 'Everything', line: 'trustplane restart all' },
    ],
  }).argument('<component...>', 'names, or all; kubelets of other nodes are kubelet@node-2')
  return onRun(command, io, async (names, { io, options, style, say }) => {
    const wanted = names.includes('all') ? requireRunning(options.dir).components.map(({ id }) => id) : names
    const items = []
    for (const name of wanted) {
      const state = await askToRestart(options.dir, name)
      items.push(state)
      say(state.state === 'running' ? `${style.symbol('ok')} ${name} was restarted` : componentLine(style, state))
    }
    if (options.output !== 'table') await printDocument(io, 'ComponentList', { items }, options.output as 'json')
    return items.every(({ state }) => state === 'running') ? exitCodes.ok : exitCodes.findings
  })
}
