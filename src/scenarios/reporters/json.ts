/** One JSON document when everything is done. */
import { apiVersion } from '#mesh/state.ts'
import { complaints, type Reporter, type ReporterOptions, totals } from './reporter.ts'

export function json({ write }: ReporterOptions): Reporter {
  return {
    begin() {},
    result() {},
    end(results) {
      const items = results.map(result => {
        const { scenario, ok, seconds, phases, kept, skipped } = result
        const { name, group, file, title } = scenario
        return {
          name,
          group,
          file,
          title,
          ok,
          ...(skipped === undefined ? {} : { skipped }),
          seconds: Math.round(seconds * 1000) / 1000,
          problems: complaints(result),
          // the explanations say again what the rows hold
          phases: phases.map(({ explanations: _, ...phase }) => phase),
          ...(kept ? { kept: kept.dir } : {}),
        }
      })
      write(`${JSON.stringify({ apiVersion, kind: 'ScenarioReport', ...totals(results), items }, null, 2)}\n`)
    },
  }
}
