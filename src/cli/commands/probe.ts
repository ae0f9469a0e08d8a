/** `trustplane probe`: dials every connection afresh, and compares with what the files said would happen. */
import { type Command, Option } from 'commander'
import { exitCodes, nearest, TrustplaneError } from '#errors.ts'
import { describeDisagreement, disagreements } from '#mesh/agreement.ts'
import { connectionNames, connections } from '#mesh/connections.ts'
import { parseHosts } from '#mesh/layout.ts'
import { layoutOf, openLayout } from '#mesh/open.ts'
import { predict } from '#mesh/predict.ts'
import { probe } from '#mesh/probe.ts'
import { requireRunning } from '#mesh/state.ts'
import type { Voice } from '#x509/types.ts'
import { createCommand, onRun } from '../command.ts'
import { connectionColumns, isRed, summaryOf } from '../connection-table.ts'
import type { Io } from '../io.ts'
import { print } from '../output.ts'

interface ProbeOptions {
  predict?: boolean
  hosts?: string
}

export function build(io?: Io): Command {
  const command = createCommand({
    name: 'probe',
    summary: 'dial every connection afresh',
    description:
      'As the component that dials, with its files, and with the request that it would make. What the files predict is compared with\nwhat was seen. Exit status: 0 when every connection is well, 1 when one is not.',
    formats: ['table', 'wide', 'json', 'yaml'],
    examples: [
      { does: 'All of them', line: 'trustplane probe' },
      { does: 'One', line: 'trustplane probe kube-apiserver etcd' },
      { does: 'Only what the files say: nothing is dialled, and no mesh need run', line: 'trustplane probe --predict' },
    ],
  })
    .argument('[from]', 'who dials')
    .argument('[to]', 'whom')
    .addOption(new Option('--predict', 'only say what the files say will happen'))
    .addOption(
      new Option(
        '--hosts <which>',
        'for components that `trustplane up` did not start: services (as in docker-compose.yml), or NAME=HOST,…',
      ),
    )
  return onRun<ProbeOptions>(command, io, async ([from, to], { io, options, style, say }) => {
    const rows = rowsOf(from, to)
    const { layout, clockOffsetMs, ...voices } = await meshOf(options)
    const now = new Date(Date.now() + clockOffsetMs)
    const predicted = predict(layout, { now, ...voices, rows })
    const seen = options.predict ? predicted : await probe(layout, { rows, ...voices, clockOffsetMs })
    await print(
      io,
      { kind: 'ConnectionList', document: { items: seen }, rows: seen, columns: connectionColumns(style, now) },
      { format: options.output, headers: options.headers },
    )
    const differing = options.predict ? [] : disagreements(predicted, seen)
    for (const one of differing) say(`${style.symbol('warn')} ${describeDisagreement(one)}`)
    if (options.output !== 'json' && options.output !== 'yaml') {
      say(summaryOf(seen, style))
      const red = seen.find(isRed)
      if (red) say(`  next: trustplane explain ${red.from} ${red.to}`)
    }
    return seen.some(isRed) ? exitCodes.findings : exitCodes.ok
  })
}

/** What `trustplane up` started here; or, with --hosts, what the PKI here belongs to. */
async function meshOf({ dir, hosts, predict }: ProbeOptions & { dir: string }) {
  const layout = hosts === undefined && !predict ? undefined : await openLayout(dir)
  if (layout) {
    const elsewhere = hosts === undefined ? layout.hosts : parseHosts(hosts, layout.nodes)
    return { layout: { ...layout, hosts: elsewhere }, voice: 'go1.24' as Voice, clockOffsetMs: 0 }
  }
  const state = requireRunning(dir)
  return {
    layout: await layoutOf(dir, state),
    voice: state.voice as Voice,
    voices: (state.voices ?? {}) as Record<string, Voice>,
    clockOffsetMs: state.clockOffsetMs,
  }
}

/** @throws TrustplaneError TP_NAME_UNKNOWN */
export function rowsOf(from: string | undefined, to: string | undefined) {
  const rows = connections.filter(
    row => (from === undefined || row.from === from) && (to === undefined || row.to === to),
  )
  if (rows.length > 0) return rows
  const asked = [from, to].filter(Boolean).join(' -> ')
  const near = nearest(asked, [...connectionNames, ...connections.map(row => row.from)])
  throw new TrustplaneError('TP_NAME_UNKNOWN', `there is no connection ${JSON.stringify(asked)}`, {
    fix: near ? `did you mean ${near.replace(' -> ', ' ')}?` : `known: ${connectionNames.join(', ')}`,
  })
}
