/** `trustplane explain`: a connection from both sides, a scenario, or what an error code or a reason means. */
import { type Command, Option } from 'commander'
import { type ErrorCode, errorCodes, exitCodes, nearest, TrustplaneError } from '#errors.ts'
import { connectionNames, connections } from '#mesh/connections.ts'
import { type EndExplanation, type Explanation, explain } from '#mesh/explain.ts'
import { etcdMembersOf } from '#mesh/layout.ts'
import { openLayout } from '#mesh/open.ts'
import { ownersOf } from '#mesh/owners.ts'
import { readState } from '#mesh/state.ts'
import { readStatus } from '#mesh/status.ts'
import { reasons } from '#x509/reasons.ts'
import { createCommand, onRun } from '../command.ts'
import { isRed } from '../connection-table.ts'
import type { Io } from '../io.ts'
import { printDocument } from '../output.ts'
import type { Style } from '../style.ts'
import { rowsOf } from './probe.ts'

export function build(io?: Io): Command {
  const command = createCommand({
    name: 'explain',
    summary: 'both sides of a connection, and what mends it; or a scenario, a reason, an error code',
    formats: ['table', 'json', 'yaml'],
    examples: [
      { does: 'Why does the apiserver get nothing from etcd?', line: 'trustplane explain kube-apiserver etcd' },
      { does: 'Everything that is refused now', line: 'trustplane explain' },
      { does: 'A scenario, without running it', line: 'trustplane explain scheduler-certificate-expired' },
      { does: 'The same, and as it happens now', line: 'trustplane explain etcd/client-from-cluster-ca --run' },
      { does: 'What a reason means', line: 'trustplane explain unknown-authority' },
      { does: 'What an error code means', line: 'trustplane explain TP_PORT_IN_USE' },
    ],
  })
    .argument('[from]', 'who dials; or a scenario, a reason, or an error code')
    .argument('[to]', 'whom')
    .addOption(new Option('--run', 'of a scenario: run it, too'))
  return onRun<{ run?: boolean }>(command, io, async ([from, to], { io, options, style, say }) => {
    if (from?.startsWith('TP')) return explainCode(io, from, options.output)
    const reason = reasons.find(one => one.reason === from)
    if (reason) return explainReason(io, reason, options.output)
    if (from !== undefined && to === undefined && !isEnd(from)) {
      const { explainScenario, scenarioOf } = await import('./explain-scenario.ts')
      const ends = connections.flatMap(row => [row.from, row.to])
      const scenario = await scenarioOf(from, [...ends, ...connectionNames, ...reasons.map(({ reason }) => reason)])
      return explainScenario(scenario, { io, style, output: options.output, run: options.run ?? false })
    }
    const rows = from === undefined ? connections : rowsOf(from.replace(/ ->.*$/, ''), to ?? /-> (.*)$/.exec(from)?.[1])
    const layout = await openLayout(options.dir).catch(() => undefined)
    const clockOffsetMs = readState(options.dir)?.clockOffsetMs ?? 0
    const statuses = readStatus(
      options.dir,
      layout ? { ownerOf: ownersOf(layout), members: etcdMembersOf(layout) } : {},
    )
    const chosen = rows.flatMap(row => {
      const status = statuses.find(one => one.from === row.from && one.to === row.to)!
      return from !== undefined || isRed(status)
        ? [explain(row, status, { layout, dir: options.dir, clockOffsetMs })]
        : []
    })
    if (options.output !== 'table') {
      await printDocument(io, 'ExplanationList', { items: chosen }, options.output as 'json' | 'yaml')
    } else {
      io.stdout.write(chosen.map(one => render(one, style)).join('\n'))
      if (chosen.length === 0)
        say(`${style.symbol('ok')} no connection is refused or unreachable, as far as the records say`)
    }
    return chosen.some(one => isRed(one.status)) ? exitCodes.findings : exitCodes.ok
  })
}

/** Of a row of the connection table, or a row's name. */
const isEnd = (name: string) => name.includes('->') || connections.some(row => row.from === name || row.to === name)

function render(one: Explanation, style: Style): string {
  const { status } = one
  const state = isRed(status) ? 'fail' : status.outcome === 'ok' ? 'ok' : 'idle'
  const line = (label: string, text: string | undefined) => (text ? `  ${label.padEnd(16)} ${text}\n` : '')
  const when = status.time ? `${status.time}${status.client ? `, to ${status.client.address}` : ''}` : undefined
  return [
    `${style.symbol(state)} ${style.bold(one.what)}\n`,
    line('dialled', when),
    renderEnd('client', one.client, line),
    renderEnd('server', one.server, line),
    line('on the wire', one.wire),
    line('decided by', one.decidedBy),
    line('what happened', one.summary ?? undialled(status)),
    line('usual cause', one.cause),
    isRed(status) ? line('people notice', one.notice) : '',
    ...one.fixes.map((fix, index) => line(index === 0 ? 'what mends it' : '', fix)),
  ].join('')
}

const undialled = ({ outcome, from, to }: Explanation['status']) =>
  outcome === 'unknown' ? `nobody has dialled it yet; trustplane probe ${from} ${to} does` : undefined

function renderEnd(
  end: 'client' | 'server',
  one: EndExplanation,
  line: (label: string, text?: string) => string,
): string {
  const [leaf, ...rest] = one.showed
  const from = [one.showedFile, one.showedBy && `(${one.showedBy})`].filter(Boolean).join(' ')
  const checked = [one.checkedWith, one.checkedBy && `(${one.checkedBy})`].filter(Boolean).join(' ')
  return [
    line(`the ${end}`, one.component),
    leaf ? line('  showed', `${leaf.subject}, issued by ${leaf.issuer}, ${leaf.notBefore} to ${leaf.notAfter}`) : '',
    leaf?.dnsNames?.length || leaf?.ipAddresses?.length
      ? line('', `for ${[...(leaf.dnsNames ?? []), ...(leaf.ipAddresses ?? [])].join(', ')}`)
      : '',
    ...rest.map(certificate => line('', `then ${certificate.subject}, issued by ${certificate.issuer}`)),
    line('  from', from),
    line('  checked with', one.checkedBy ? checked : undefined),
    ...one.authorities.map(authority => line('', authority)),
    line('  for the name', one.name),
    line('  says', one.says),
  ].join('')
}

async function explainReason(io: Io, reason: (typeof reasons)[number], format: string): Promise<number> {
  if (format !== 'table') {
    await printDocument(io, 'Reason', reason, format as 'json' | 'yaml')
    return exitCodes.ok
  }
  const { summary, cause, fix, texts } = reason
  const words = texts['go1.24']
    .map(text => `                   ${text}\n`)
    .join('')
    .trimStart()
  io.stdout.write(
    `${reason.reason}: ${summary}\n  words            ${words || '–\n'}  usual cause      ${cause}\n  fix              ${fix}\n`,
  )
  return exitCodes.ok
}

async function explainCode(io: Io, code: string, format: string): Promise<number> {
  const known = errorCodes[code as ErrorCode]
  if (!known) {
    const near = nearest(code, Object.keys(errorCodes))
    throw new TrustplaneError('TP_NAME_UNKNOWN', `there is no error code ${JSON.stringify(code)}`, {
      fix: near
        ? `did you mean ${near}?`
        : `codes: ${Object.keys(errorCodes).join(', ')}; connections: ${connectionNames.join(', ')}`,
    })
  }
  const exitCode = exitCodes[known.exit]
  if (format === 'table') io.stdout.write(`${code}: ${known.summary} (exit status ${exitCode})\n`)
  else await printDocument(io, 'ErrorCode', { code, summary: known.summary, exitCode }, format as 'json' | 'yaml')
  return exitCodes.ok
}
