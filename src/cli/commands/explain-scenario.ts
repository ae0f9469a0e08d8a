/** `trustplane explain SCENARIO`: its story, both ends of what is refused, why, and the fix; with --run, as it is done now. */
import { exitCodes, messageOf, nearest, TrustplaneError } from '#errors.ts'
import { findScenarioFiles, similarScenarios } from '#scenarios/find.ts'
import { loadScenarios } from '#scenarios/load.ts'
import { reporters } from '#scenarios/reporters/index.ts'
import { runScenarios } from '#scenarios/runner.ts'
import { type ToldConnection, type ToldScenario, tell } from '#scenarios/tell.ts'
import type { Scenario } from '#scenarios/types.ts'
import type { Io } from '../io.ts'
import { printDocument } from '../output.ts'
import { onInterrupt } from '../signals.ts'
import type { Style } from '../style.ts'

/**
 * The scenario of this name or file. It is no connection and no reason either: `others` may have been meant.
 * @throws TrustplaneError TP_NAME_UNKNOWN, with what it is similar to
 */
export async function scenarioOf(name: string, others: readonly string[]): Promise<Scenario> {
  let files: string[]
  try {
    files = findScenarioFiles([name])
  } catch (error) {
    // several of that name: it says which
    if (/^several/.test(messageOf(error))) throw error
    const similar = [...similarScenarios(name), ...[nearest(name, others) ?? []].flat()]
    throw new TrustplaneError('TP_NAME_UNKNOWN', `there is no scenario, connection or reason ${JSON.stringify(name)}`, {
      fix:
        similar.length > 0
          ? `did you mean ${similar.join(', or ')}?`
          : 'see `trustplane run --list` for scenarios, `trustplane status` for connections',
    })
  }
  const [scenario, ...more] = await loadScenarios(files)
  if (scenario && more.length === 0) return scenario
  throw new TrustplaneError(
    'TP_NAME_UNKNOWN',
    `${JSON.stringify(name)} is ${files.length} scenarios, and one is explained`,
    {
      fix: `name one: trustplane run ${name} --list`,
    },
  )
}

export async function explainScenario(
  scenario: Scenario,
  { io, style, output, run }: { io: Io; style: Style; output: string; run: boolean },
): Promise<number> {
  const told = tell(scenario)
  if (output !== 'table') await printDocument(io, 'Scenario', told, output as 'json' | 'yaml')
  else io.stdout.write(render(told, style))
  if (!run) return exitCodes.ok
  const reporter = reporters.pretty!({ write: text => io.stdout.write(text), ...style })
  const interrupt = onInterrupt()
  const results = await runScenarios([scenario], { signal: interrupt.signal, onResult: reporter.result })
  interrupt.release()
  for (const { phase, explanations } of results.flatMap(result => result.phases)) {
    for (const { what, client, server } of explanations) {
      io.stdout.write(`    ${phase === 'fix' ? 'after the fix, ' : ''}${what}\n`)
      if (client.says) io.stdout.write(`      the client, ${client.component}, says: ${client.says}\n`)
      if (server.says) io.stdout.write(`      the server, ${server.component}, says: ${server.says}\n`)
    }
  }
  return results.every(({ ok }) => ok) ? (interrupt.received ?? exitCodes.ok) : exitCodes.findings
}

function render(told: ToldScenario, style: Style): string {
  const section = (title: string, lines: readonly string[]) =>
    lines.length > 0
      ? `\n${style.bold(title)}\n${lines.map(line => `  ${line.replaceAll('\n', '\n  ')}\n`).join('')}`
      : ''
  return [
    `${style.bold(told.title)}\n${style.dim(told.name)}\n`,
    section('The story', [told.story]),
    section('What is broken', told.broken),
    section('What is done', told.steps),
    section('What happens', told.connections.length > 0 ? told.connections.flatMap(lines) : ['every connection is ok']),
    section(
      'Why',
      told.reasons.flatMap(({ reason, summary, cause }) => [`${reason}: ${summary}`, `  usual cause: ${cause}`]),
    ),
    section('What people notice', [...told.notices, ...new Set(told.connections.map(({ notice }) => notice))]),
    section('What mends it', told.fix),
    section('Source', told.sources),
    '\n',
  ].join('')
}

const lines = ({ from, to, what, client, server }: ToldConnection): string[] => [
  `${from} -> ${to}: ${what}`,
  ...(client ? [`    the client, ${from}, says: ${client}`] : []),
  ...(server ? [`    the server, ${to}, says: ${server}`] : []),
]
