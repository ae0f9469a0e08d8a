/** One HTML file that opens offline: an overview, and every scenario with its mesh as a picture, both ends' views and the fix. */
import type { ScenarioResult } from '../runner.ts'
import { html, Markup, prose } from './html/markup.ts'
import { anchorOf, scenarioSection, status } from './html/scenario.ts'
import { style } from './html/style.ts'
import { type Reporter, type ReporterOptions, totals } from './reporter.ts'

export function htmlReport({ write }: ReporterOptions): Reporter {
  return {
    begin() {},
    result() {},
    end(results) {
      write(page(results).text)
    },
  }
}

function page(results: readonly ScenarioResult[]): Markup {
  const { passed, failed, dialled, noticed, skipped } = totals(results)
  const looked = noticed > 0 ? `, ${noticed} notices looked for${skipped > 0 ? ` (${skipped} skipped)` : ''}` : ''
  return html`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>trustplane: ${passed} passed, ${failed} failed</title>
${raw}</head>
<body><a class="skip" href="#overview">To the overview</a>
<header><h1>Who refuses whom, and why</h1>
<p class="soft">trustplane ran ${results.length} scenarios, a control plane each: ${dialled} connections really dialled${looked}. Every certificate, key and cluster was made for this and is gone.</p>
<p>${status(failed === 0)} <span class="small soft">${passed} passed, ${failed} failed; ${new Date().toISOString().slice(0, 10)}</span></p></header>
<main>
<section class="card" id="overview" aria-label="Overview"><div class="wide"><table><thead><tr><th scope="col">scenario</th><th scope="col">result</th><th scope="col">refused</th><th scope="col">by</th><th scope="col">layer</th><th scope="col">why</th></tr></thead><tbody>${results.map(overviewRow)}</tbody></table></div></section>
${results.map(scenarioSection)}
</main>
<footer><p>Made by trustplane, a Kubernetes control plane of small processes whose TLS is real. Paths are shown as on a node of kubeadm’s.</p></footer>
</body></html>
`
}

const raw = html`<style>${new Markup(style)}</style>`

function overviewRow(result: ScenarioResult): Markup {
  const { scenario, phases, ok, error, skipped } = result
  const word = skipped ? '– skipped' : ok ? '✓ ok' : error === undefined ? '✗ failed' : '✗ not run'
  const red = phases.flatMap(({ phase, rows }) =>
    phase === 'fix' ? [] : rows.filter(row => row.outcome === 'refused'),
  )
  const words = (values: readonly (string | undefined)[]) => [...new Set(values.filter(Boolean))].join(', ') || '–'
  const names = [...new Set(red.map(({ from, to }) => `${from} → ${to}`))]
  const shown = names.length > 2 ? `${names.length} connections` : words(names)
  return html`<tr><td><a href="#${anchorOf(result)}">${prose(scenario.title)}</a><br><span class="soft small mono">${scenario.group}/${scenario.name}</span></td><td>${word}</td><td>${shown}</td><td>${words(red.map(row => row.refusedBy))}</td><td>${words(red.map(row => row.layer))}</td><td>${words(red.map(row => row.reason))}</td></tr>
`
}
