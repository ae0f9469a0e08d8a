/** `trustplane explain SCENARIO`: its story, both ends of what is refused, why, and the fix; with --run, as it is done now. */
import { exitCodes } from '#errors.ts'
import { findScenarioFiles } from '#scenarios/find.ts'
import { loadScenarios } from '#scenarios/load.ts'
import { reporters } from '#scenarios/reporters/index.ts'
import { runScenarios } from '#scenarios/runner.ts'
import { type ToldConnection, type ToldScenario, tell } from '#scenarios/tell.ts'
import type { Scenario } from '#scenarios/types.ts'
import type { Io } from '../io.ts'
import { printDocument } from '../output.ts'
import { onInterrupt } from '../signals.ts'
import type { Style } from '../style.ts'

/** Undefined: it is no scenario's name or file. */
export async function scenarioOf(name: string): Promise<Scenario | undefined> {
  let files: string[]
  try {
    files = findScenarioFiles([name])
  } catch {
    return undefined
  }
  const [scenario] = files.length === 1 ? await loadScenarios(files) : []
  return scenario
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
