/** TAP 14 (https://testanything.org/tap-version-14-specification.html): a subtest a scenario, a point a connection and phase. */
import { stringify } from 'yaml'
import { complaints, phaseWords, type Reporter, type ReporterOptions } from './reporter.ts'

export function tap({ write }: ReporterOptions): Reporter {
  let count = 0
  return {
    begin(scenarios) {
      write(`TAP version 14\n1..${scenarios.length}\n`)
    },
    result(result) {
      const { scenario, ok, seconds, phases } = result
      const name = escapeTap(`${scenario.group}/${scenario.name}: ${scenario.title}`)
      write(`# Subtest: ${name}\n`)
      let points = 0
      for (const { phase, after, rows, differences, disagreements, notices } of phases) {
        const when = escapeTap(after ?? phaseWords[phase]!)
        for (const { from, to } of rows) {
          const bad = differences.find(({ connection }) => connection === `${from} -> ${to}`)
          write(`    ${bad ? 'not ' : ''}ok ${++points} - ${when}: ${escapeTap(`${from} -> ${to}`)}\n`)
          if (bad) write(diagnostics(bad, 6))
        }
        for (const { expected, seen, ok, skipped } of notices) {
          const directive = skipped ? ` # SKIP ${skipped}` : ''
          write(`    ${ok ? '' : 'not '}ok ${++points} - ${when}: ${escapeTap(expected)}${directive}\n`)
          if (!ok) write(diagnostics({ expected, seen }, 6))
        }
        if (rows.length === 0) continue
        const parted = disagreements.length > 0
        write(`    ${parted ? 'not ' : ''}ok ${++points} - ${when}: prediction and observation agree\n`)
        if (parted) write(diagnostics({ disagreements }, 6))
      }
      if (result.error !== undefined) {
        write(`    not ok ${++points} - ${phaseWords.start}\n`)
        write(diagnostics({ message: complaints(result).at(-1)!.text }, 6))
      }
      if (result.skipped !== undefined) {
        write(`    1..0 # SKIP ${result.skipped}\nok ${++count} - ${name} # SKIP ${result.skipped}\n`)
        return
      }
      write(`    1..${points}\n`)
      write(`${ok ? '' : 'not '}ok ${++count} - ${name} # time=${Math.round(seconds * 1000)}ms\n`)
    },
    end() {},
  }
}

/** A `#` would begin a directive. */
const escapeTap = (text: string) => text.replace(/[\\#]/g, '\\$&')

function diagnostics(value: object, indent: number): string {
  const space = ' '.repeat(indent)
  const body = stringify(value)
    .trimEnd()
    .split('\n')
    .map(line => `${space}${line}\n`)
  return `${space}---\n${body.join('')}${space}...\n`
}
