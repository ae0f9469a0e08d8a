/** For people: a line a scenario, and everything that is not as expected, at both ends. */
import { complaints, phaseWords, type Reporter, type ReporterOptions, skippedIn, totals } from './reporter.ts'

export function pretty({ write, symbol, bold, dim }: ReporterOptions): Reporter {
  const began = performance.now()
  return {
    begin() {},
    result(result) {
      const { scenario, ok, seconds, kept, skipped } = result
      write(
        `${symbol(skipped ? 'idle' : ok ? 'ok' : 'fail')} ${bold(`${scenario.group}/${scenario.name}`)} ${dim(`${seconds.toFixed(2)} s`)}\n`,
      )
      write(`    ${scenario.title}\n`)
      for (const why of skippedIn(result)) write(`    ${symbol('idle')} skipped: ${why}\n`)
      for (const { phase, text } of complaints(result)) {
        write(`    ${symbol('fail')} ${phaseWords[phase]}: ${text.replaceAll('\n', '\n    ')}\n`)
      }
      if (kept) write(`    left running: trustplane status --dir ${kept.dir}\n`)
    },
    end(results) {
      const { passed, failed, leftOut, dialled, noticed, skipped } = totals(results)
      const seconds = ((performance.now() - began) / 1000).toFixed(1)
      write(
        `${symbol(failed > 0 ? 'fail' : 'ok')} ${passed} passed, ${failed} failed${leftOut > 0 ? `, ${leftOut} skipped` : ''}; ${dialled} connections dialled${noticed > 0 ? `, ${noticed} notices looked for` : ''}${skipped > 0 ? ` (${skipped} skipped)` : ''}, in ${seconds} s\n`,
      )
    },
  }
}
