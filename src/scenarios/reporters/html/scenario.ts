/** One scenario of the report: its story, the mesh, both ends of what was refused, what people notice, and the fix. */
import { describe } from '#mesh/agreement.ts'
import type { EndExplanation, Explanation } from '#mesh/explain.ts'
import { findFault } from '../../faults/index.ts'
import { wordsOfStep } from '../../fix-words.ts'
import type { NoticeResult, PhaseResult } from '../../look.ts'
import { describeStep, type ScenarioResult } from '../../runner.ts'
import { isLook } from '../../steps.ts'
import { flow } from '../../tell.ts'
import { complaints, phaseWords, skippedIn } from '../reporter.ts'
import { html, link, type Markup, prose } from './markup.ts'
import { picture } from './picture.ts'
import { timelineSection } from './timeline.ts'

export const anchorOf = ({ scenario }: ScenarioResult): string => `${scenario.group}-${scenario.name}`

export function scenarioSection(result: ScenarioResult): Markup {
  const { scenario, phases, ok, seconds } = result
  const shown = phases.filter(({ phase }) => phase !== 'fix')
  const fixed = phases.find(({ phase }) => phase === 'fix')
  return html`<article id="${anchorOf(result)}" aria-labelledby="${anchorOf(result)}-h">
<p class="soft small mono">${scenario.group}/${scenario.name}</p>
<h2 id="${anchorOf(result)}-h">${prose(scenario.title)}</h2>
<div class="facts">${result.skipped === undefined && status(ok)}<span class="soft small">plan ${scenario.plan}, ${seconds.toFixed(1)} s</span></div>
${scenario.story.split(/\n{2,}/).map(part => html`<p>${prose(part)}</p>`)}
${scenario.sources.length > 0 && html`<p class="small soft">Source: ${scenario.sources.map((one, index) => html`${index > 0 ? ', ' : ''}${link(one)}`)}</p>`}
${broken(result)}
${problems(result)}
${shown.map((phase, index) => phaseSection(result, phase, index))}
${fixSection(result, fixed)}
${timelineSection(result.timeline)}
</article>
`
}

export const status = (ok: boolean): Markup =>
  ok ? html`<span class="tag ok">✓ as expected</span>` : html`<span class="tag bad">✗ not as expected</span>`

function broken({ scenario }: ScenarioResult): Markup {
  const lines = [
    ...scenario.faults.flatMap(({ name, attributes }) => [
      `# ${findFault(name)?.summary ?? name}`,
      `${name}: ${flow(attributes)}`,
    ]),
    ...Object.entries(scenario.more).map(([key, value]) => `${key}: ${flow(value)}`),
  ]
  const steps = scenario.steps.filter(({ name }) => !isLook(name)).map(describeStep)
  return html`${lines.length > 0 && html`<h3>What is broken</h3><pre>${lines.join('\n')}</pre>`}${steps.length > 0 && html`<h3>What is done</h3><pre>${steps.join('\n')}</pre>`}`
}

function problems(result: ScenarioResult): Markup {
  const list = complaints(result)
  const skipped = skippedIn(result)
  return html`${list.length > 0 && html`<h3>What is not as expected</h3><pre>${list.map(({ phase, text }) => `${phaseWords[phase]}: ${text}`).join('\n')}</pre>`}${skipped.length > 0 && html`<p class="small"><span class="tag warn">skipped</span> ${skipped.join(', ')}</p>`}`
}

function phaseSection(result: ScenarioResult, phase: PhaseResult, index: number): Markup {
  const { rows, explanations, notices, after } = phase
  const heading = phase.phase === 'step' ? `In between, ${after}` : 'What happens'
  const id = `${anchorOf(result)}-${index}`
  // causes before what follows from them
  const groups = [...Map.groupBy(explanations, alike).values()].sort(([a], [b]) => rank(a!) - rank(b!))
  return html`<h3>${heading}</h3>
${rows.length > 0 && html`${picture(id, rows)}${legend}`}
${rows.length > 0 && explanations.length === 0 && html`<p>Every connection is ok.</p>`}
${groups.map(group => refusal(group, dirsOf(phase)))}
${noticeList(phase, notices)}
${rows.length > 0 && allRows(phase)}`
}

const legend = html`<ul class="legend"><li>— ok</li><li>✕ refused: the cross is at the end that says no, dashed</li><li>? not reached: dotted</li></ul>`

const rank = ({ status }: Explanation) => (status.outcome === 'refused' ? 0 : 1)

/** Rows that one certificate, refused for one reason, makes red. */
function alike({ from, to, status, client, server }: Explanation): string {
  const { outcome, refusedBy, layer, reason } = status
  const shown = refusedBy === 'client' ? (server.showed[0]?.sha256 ?? to) : (client.showed[0]?.sha256 ?? from)
  return [outcome, refusedBy, layer, reason, outcome === 'unreachable' ? to : shown].join()
}

/** Paths are told as on a real node: the state directory was a temporary one. */
const dirsOf =
  ({ explanations }: PhaseResult) =>
  (text: string) => {
    const files = explanations.flatMap(({ client, server }) => [
      client.showedFile,
      server.showedFile,
      client.checkedWith,
      server.checkedWith,
    ])
    const dir = files.map(file => /^(.*?\/trustplane-[^/]+)\//.exec(file ?? '')?.[1]).find(Boolean)
    return dir ? text.replaceAll(`${dir}/`, '/etc/kubernetes/').replaceAll(` --dir ${dir}`, '') : text
  }

function refusal(group: readonly Explanation[], told: (text: string) => string): Markup {
  const [one] = group
  const { status: row, wire, decidedBy, summary, cause } = one!
  return html`<div class="refusal">
<h4>${group.map(({ from, to }, index) => html`${index > 0 ? ', ' : ''}${from} → ${to}`)}</h4>
<div class="facts"><span class="tag ${row.outcome === 'refused' ? 'bad' : 'warn'}">${describe(row)}</span>${row.layer && html`<span class="tag plain">layer: ${layerWords[row.layer] ?? row.layer}</span>`}</div>
${summary && html`<p>${prose(sentence(summary))}${cause && html` <span class="soft">Usually: ${prose(cause)}.</span>`}</p>`}
${row.outcome === 'refused' && html`<div class="ends">${endSection('client', one!, told)}${endSection('server', one!, told)}</div>`}
${row.outcome !== 'refused' && row.message && html`<p class="says">${row.message}</p>`}
${wire && html`<p class="small">On the wire: ${wire}.</p>`}
${decidedBy && html`<p class="small">Decided by <code>${told(decidedBy)}</code></p>`}
<p class="small"><strong>People notice:</strong> ${[...new Set(group.map(({ notice }) => notice))].map((notice, index) => html`${index > 0 ? '; ' : ''}${prose(notice)}`)}.</p>
</div>
`
}

/** Of the table's words, which begin small and have no full stop. */
const sentence = (text: string) => `${text[0]!.toUpperCase()}${text.slice(1)}.`

const layerWords: Readonly<Record<string, string>> = {
  tls: 'TLS, inside the handshake',
  authentication: 'authentication, HTTP 401',
  authorization: 'authorization, HTTP 403',
}

function endSection(which: 'client' | 'server', explanation: Explanation, told: (text: string) => string): Markup {
  const one: EndExplanation = explanation[which]
  const { refusedBy, client, server } = explanation.status
  const refuses = refusedBy === which
  // as the other end saw it, where that has told
  const sent = (which === 'client' ? server?.peer : client?.peer) ?? []
  const chain = sent.length > 0 ? sent : one.showed
  const seen = sent.length > 0 ? `, as the ${which === 'client' ? 'server' : 'client'} saw it` : ''
  return html`<section class="end${refuses ? ' refuses' : ''}">
<h4>The ${which}: ${one.component}${refuses && html` <span class="tag bad">✕ refuses</span>`}</h4>
${
  chain.length === 0
    ? html`<p class="small soft">It showed no certificate.</p>`
    : html`<p class="small soft">It showed${seen}:</p><ol class="chain">${chain.map(certificate)}</ol>`
}
<dl>${one.showedFile && html`<dt>from</dt><dd><code>${told(one.showedFile)}</code></dd>`}${one.checkedWith && html`<dt>checks with</dt><dd><code>${told(one.checkedWith)}</code>${one.authorities.map(authority => html`<br>${authority}`)}</dd>`}${one.name && html`<dt>for the name</dt><dd>${one.name}</dd>`}</dl>
${one.says && html`<p class="says">${told(one.says)}</p>`}
</section>`
}

function certificate(one: EndExplanation['showed'][number]): Markup {
  const names = [...(one.dnsNames ?? []), ...(one.ipAddresses ?? [])].join(', ')
  return html`<li><dl><dt>subject</dt><dd>${one.subject}</dd><dt>issuer</dt><dd>${one.issuer}</dd><dt>valid</dt><dd>${day(one.notBefore)} to ${day(one.notAfter)}</dd>${names && html`<dt>for</dt><dd>${names}</dd>`}<dt>SHA-256</dt><dd class="mono">${one.sha256.slice(0, 32)}…</dd></dl></li>`
}

const day = (time: string) => time.replace('T', ' ').replace(/(\.\d+)?Z$/, '')

function noticeList({ phase }: PhaseResult, notices: readonly NoticeResult[]): Markup {
  if (notices.length === 0) return html``
  return html`<h3>${phase === 'fix' ? 'After the fix' : 'What people notice'}</h3><ul class="plainlist">${notices.map(
    ({ expected, seen, ok, skipped }) =>
      html`<li>${ok ? (skipped ? '–' : '✓') : '✗'} ${expected}${skipped ? html` <span class="soft">(skipped: ${skipped})</span>` : html`<details><summary>as seen</summary><pre>${seen}</pre></details>`}</li>`,
  )}</ul>`
}

function allRows({ rows }: PhaseResult): Markup {
  return html`<details><summary>All ${rows.length} connections</summary><div class="wide"><table><thead><tr><th scope="col">from</th><th scope="col">to</th><th scope="col">what came of it</th><th scope="col">TLS</th></tr></thead><tbody>${rows.map(
    row => {
      const tls = (row.client ?? row.server)?.tls
      return html`<tr><td>${row.from}</td><td>${row.to}</td><td>${row.outcome === 'ok' ? '✓' : row.outcome === 'refused' ? '✕' : '?'} ${describe(row)}</td><td class="soft">${tls ? `${tls.version}, ${tls.cipher}` : ''}</td></tr>`
    },
  )}</tbody></table></div></details>`
}

function fixSection({ scenario }: ScenarioResult, fixed: PhaseResult | undefined): Markup {
  const lines = scenario.fix.flatMap(wordsOfStep)
  if (lines.length === 0) return html``
  const well = fixed && fixed.differences.length === 0 && fixed.disagreements.length === 0
  return html`<h3>What mends it</h3><pre>${lines.join('\n')}</pre>${well && html`<p class="small"><span class="tag ok">✓ done and checked</span> Afterwards every connection was dialled again, and all are ok.</p>`}`
}
