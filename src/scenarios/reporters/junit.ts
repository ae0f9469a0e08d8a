/** JUnit XML, as CI services read it: a suite a scenario, a case a connection and phase. */
import type { ScenarioResult } from '../runner.ts'
import { complaints, phaseWords, type Reporter, type ReporterOptions, totals } from './reporter.ts'

export function junit({ write }: ReporterOptions): Reporter {
  return {
    begin() {},
    result() {},
    end(results) {
      const { failed } = totals(results)
      const seconds = results.reduce((sum, result) => sum + result.seconds, 0)
      write('<?xml version="1.0" encoding="UTF-8"?>\n')
      write(
        `<testsuites name="trustplane" tests="${results.length}" failures="${failed}" time="${seconds.toFixed(3)}">\n`,
      )
      for (const result of results) write(suite(result))
      write('</testsuites>\n')
    },
  }
}

function suite(result: ScenarioResult): string {
  const { scenario, phases, seconds } = result
  const name = `${scenario.group}/${scenario.name}`
  const cases = phases.flatMap(({ phase, after, rows, differences, disagreements, notices }) => [
    ...rows.map(({ from, to }) => {
      const connection = `${from} -> ${to}`
      const bad = differences.find(difference => difference.connection === connection)
      const text = bad && `expected ${bad.expected}, seen ${bad.seen}`
      const ends =
        bad && [bad.client && `client: ${bad.client}`, bad.server && `server: ${bad.server}`].filter(Boolean).join('\n')
      return testcase(name, `${after ?? phaseWords[phase]}: ${connection}`, text, ends || undefined)
    }),
    ...notices.map(({ expected, seen, ok, skipped }) =>
      testcase(name, `${after ?? phaseWords[phase]}: ${expected}`, ok ? undefined : `seen ${seen}`, undefined, skipped),
    ),
    ...(rows.length > 0
      ? [
          testcase(
            name,
            `${after ?? phaseWords[phase]}: prediction and observation agree`,
            disagreements.join('\n') || undefined,
          ),
        ]
      : []),
  ])
  if (result.skipped !== undefined) cases.push(testcase(name, scenario.title, undefined, undefined, result.skipped))
  if (result.error !== undefined) cases.push(testcase(name, phaseWords.start!, complaints(result).at(-1)!.text))
  const failures = cases.filter(xml => xml.includes('<failure')).length
  return `  <testsuite name="${escapeXml(name)}" tests="${cases.length}" failures="${failures}" time="${seconds.toFixed(3)}">\n${cases.join('')}  </testsuite>\n`
}

function testcase(classname: string, name: string, failure?: string, body = failure, skipped?: string): string {
  const head = `    <testcase classname="${escapeXml(classname)}" name="${escapeXml(name)}"`
  if (skipped) return `${head}>\n      <skipped message="${escapeXml(skipped)}"/>\n    </testcase>\n`
  if (failure === undefined) return `${head}/>\n`
  return `${head}>\n      <failure message="${escapeXml(failure)}" type="difference">${escapeXml(body ?? '')}</failure>\n    </testcase>\n`
}

/** XML has no way to write most control characters at all. */
const escapeXml = (text: string) =>
  text
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
    .replace(/[\0-\x08\x0b\x0c\x0e-\x1f]/g, '')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll('\n', '&#10;')
