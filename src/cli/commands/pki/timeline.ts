/** `trustplane pki timeline`: what expires when, and what breaks first. */
import { existsSync } from 'node:fs'
import type { Command } from 'commander'
import { exitCodes, TrustplaneError } from '#errors.ts'
import type { Break, Timeline, TimelineEvent } from '#mesh/timeline.ts'
import { residual } from '#pki/expiration.ts'
import { createCommand, onRun } from '../../command.ts'
import type { Io } from '../../io.ts'
import { printDocument } from '../../output.ts'
import type { Style } from '../../style.ts'
import { type ClockOptions, clockOf, clockOption, formats } from './options.ts'

export function buildTimeline(io: Io | undefined): Command {
  const command = createCommand({
    name: 'timeline',
    summary: 'what expires when, and what breaks first',
    description:
      'Every certificate by its end, and the connections that break there, as they would be refused and as people would notice it.\nJudged from the files, as if nobody renewed anything. Exit status: 1 when something is broken now.',
    formats,
    examples: [
      { does: 'From now on', line: 'trustplane pki timeline' },
      { does: 'Of a node', line: 'trustplane pki timeline --dir /etc/kubernetes' },
      { does: 'As it will look in a year', line: 'trustplane pki timeline --clock-offset 366d' },
      {
        does: 'The day on which the first connection breaks, for a script',
        line: 'trustplane pki timeline -o json | jq -r .first.time',
      },
    ],
  }).addOption(clockOption())
  return onRun<ClockOptions>(command, io, async (_, { io, options, style, say }) => {
    const clock = clockOf(options)
    // the verifier comes along, which the other subcommands need not wait for
    const [{ openLayout }, { openPki }, { timeline }] = await Promise.all([
      import('#mesh/open.ts'),
      import('#mesh/open-pki.ts'),
      import('#mesh/timeline.ts'),
    ])
    const own = await openLayout(options.dir)
    if (!own && !existsSync(options.dir)) {
      throw new TrustplaneError('TP_PKI_MISSING', `there is no PKI in ${options.dir}`, {
        fix: `make one with \`trustplane pki init --dir ${options.dir}\`, or give --dir of one, such as a node’s /etc/kubernetes`,
      })
    }
    const layout = own ?? (await openPki(options.dir, clock)).layout
    const found = timeline(layout, clock.now(), { isPart: own === undefined })
    if (options.output === 'table') {
      io.stdout.write(draw(found, style))
      if (found.first) say(firstLine(found.first))
    } else await printDocument(io, 'Timeline', found, options.output as 'json' | 'yaml')
    return found.broken.length > 0 ? exitCodes.findings : exitCodes.ok
  })
}

function firstLine({ time, ends }: TimelineEvent): string {
  const first = `first: ${ends.map(({ name }) => name).join(', ')} at ${time}`
  const byThemselves = ends.filter(({ renewedBy }) => renewedBy !== undefined)
  if (byThemselves.length === ends.length) return `${first}, unless renewed by ${byThemselves[0]!.renewedBy}`
  return `${first}. Renew before that: trustplane pki renew all`
}

function draw(found: Timeline, style: Style): string {
  const past = found.events.filter(({ inSeconds }) => inSeconds < 0)
  const coming = found.events.filter(({ inSeconds }) => inSeconds >= 0)
  const state = found.broken.length > 0 ? 'fail' : 'ok'
  return [
    ...past.flatMap(event => lines(event, style)),
    `${style.symbol(state)} ${found.now}  ${style.bold('now')}: ${found.well} of ${found.total} connections are well`,
    ...found.broken.map(row => breakLine(row, style)),
    ...found.unjudged.map(
      ({ from, to }) =>
        `    ${style.symbol('idle')} ${from} -> ${to} cannot be judged from here: a file of it is on another machine`,
    ),
    ...coming.flatMap(event => lines(event, style)),
  ]
    .map(line => `${line}\n`)
    .join('')
}

function lines({ time, inSeconds, ends, breaks }: TimelineEvent, style: Style): string[] {
  const state = inSeconds < 0 || breaks.length > 0 ? 'fail' : 'warn'
  const when = inSeconds < 0 ? `${residual(-inSeconds)} ago` : `in ${residual(inSeconds)}`
  return [
    `${style.symbol(state)} ${time}  ${style.bold(when)}`,
    ...ends.map(
      ({ name, file, renewedBy }) =>
        `    ends    ${name} (${file})${renewedBy ? `, unless renewed by ${renewedBy}` : ''}`,
    ),
    ...breaks.map(row => breakLine(row, style)),
  ]
}

function breakLine({ from, to, refusedBy, layer, reason, message, outcome, notice }: Break, style: Style): string {
  const how =
    outcome === 'refused'
      ? `${reason ?? message}, refused by the ${refusedBy} (${layer})`
      : `${outcome}, because what it needs is down`
  return `    ${style.paint('fail', 'breaks')}  ${from} -> ${to}: ${how}: ${notice}`
}
