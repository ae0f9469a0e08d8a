/** `trustplane diff`: two PKIs held against each other, with diff(1)'s exit statuses. */
import { type Command, Option } from 'commander'
import { offsetClock, parseDuration } from '#clock.ts'
import { exitCodes } from '#errors.ts'
import { diffPki, type PkiDiff } from '#mesh/diff.ts'
import { asBadInput } from '../bad-input.ts'
import { createCommand, onRun } from '../command.ts'
import type { Io } from '../io.ts'
import { printDocument } from '../output.ts'
import type { Style } from '../style.ts'

interface Options {
  clockOffset: string
}

export function build(io?: Io): Command {
  const command = createCommand({
    name: 'diff',
    summary: 'what changes between two PKIs: connections, and who can be whom',
    description:
      'A PKI is a plan of certs/ by its name, a plan’s file, or a directory: a state directory, or a node’s /etc/kubernetes, whose\nmanifests say what is trusted. No private key is read.\nExit status, as diff(1): 0 the same, 1 different, 2 bad input.',
    formats: ['pretty', 'json', 'yaml'],
    examples: [
      { does: 'What does a CA of its own for etcd bring?', line: 'trustplane diff one-ca kubeadm' },
      { does: 'A node against what kubeadm makes', line: 'trustplane diff kubeadm /etc/kubernetes' },
      { does: 'Before and after a rotation', line: 'trustplane diff /root/kubernetes.before /etc/kubernetes' },
      {
        does: 'Who can do more, for a script',
        line: "trustplane diff kubeadm one-ca -o json | jq -r '.gained[].sentence'",
      },
    ],
  })
    .argument('<before>', 'a plan or a directory')
    .argument('<after>', 'a plan or a directory')
    .addOption(
      new Option('--clock-offset <duration>', 'judge as if it were this much later (364d) or earlier').default('0'),
    )
  return onRun<Options>(command, io, async ([before = '', after = ''], { io, options, style }) => {
    const clock = offsetClock(parseDuration(options.clockOffset))
    const diff = await asBadInput(() => diffPki(before, after, clock))
    if ((options.output as string) === 'pretty') io.stdout.write(pretty(diff, style))
    else await printDocument(io, 'PkiDiff', diff, options.output as 'json' | 'yaml')
    return diff.same ? exitCodes.ok : exitCodes.findings
  })
}

function pretty(diff: PkiDiff, style: Style): string {
  const { before, after, authorities, connections, gained, lost, notCompared } = diff
  const removed = (text: string) => style.paint('fail', `- ${text}`)
  const added = (text: string) => style.paint('ok', `+ ${text}`)
  const sections: [string, string[]][] = [
    [
      'authorities',
      [
        ...authorities.removed.map(removed),
        ...authorities.added.map(added),
        ...authorities.newKeys.map(name => `~ ${name}: another key`),
        ...authorities.changed.flatMap(({ name, changes }) =>
          changes.flatMap(({ what, before, after }) => [
            `~ ${name}: ${what}`,
            `  ${removed(before)}`,
            `  ${added(after)}`,
          ]),
        ),
      ],
    ],
    [`can be done with ${after}, and not with ${before}`, gained.map(({ sentence }) => `+ ${sentence}`)],
    [`can no longer be done with ${after}`, lost.map(({ sentence }) => `- ${sentence}`)],
    ...connections.map(({ from, to, changes }): [string, string[]] => [
      `${from} -> ${to}`,
      changes.flatMap(({ what, before, after }) => [what, `  ${removed(before)}`, `  ${added(after)}`]),
    ]),
    ['not compared', notCompared.map(({ connection, missing }) => `${connection}: no ${missing.join(', ')}`)],
  ]
  const shown = sections
    .filter(([, lines]) => lines.length > 0)
    .map(([title, lines]) => `${style.bold(title)}\n${lines.map(line => `  ${line}\n`).join('')}`)
  const head = diff.same ? `${before} and ${after} come to the same\n` : `${removed(before)}\n${added(after)}\n`
  return [head, ...shown].join('\n')
}
