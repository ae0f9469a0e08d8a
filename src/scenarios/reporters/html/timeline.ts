/** What a scenario's certificates would have come to by themselves: what ends when, and what breaks there. */
import type { Break, Timeline, TimelineEvent } from '#mesh/timeline.ts'
import { html, type Markup } from './markup.ts'

export function timelineSection(found: Timeline | undefined): Markup {
  if (!found || found.events.length === 0) return html``
  return html`<details><summary>What ends when, and what breaks first</summary><div class="wide"><table><thead><tr><th scope="col">when</th><th scope="col">ends</th><th scope="col">breaks</th></tr></thead><tbody>${found.events.map(event => row(event, event === found.first))}</tbody></table></div></details>`
}

function row({ time, inSeconds, ends, breaks }: TimelineEvent, isFirst: boolean): Markup {
  const names = ends.map(({ name, renewedBy }) => (renewedBy ? `${name} (renewed before that by ${renewedBy})` : name))
  return html`<tr><td><time datetime="${time}">${time.replace('T', ' ').replace('Z', '')}</time>${inSeconds < 0 && html`<br><span class="tag bad">past</span>`}${isFirst && html`<br><span class="tag warn">first</span>`}</td><td>${names.join(', ')}</td><td>${breaks.length === 0 ? '–' : html`<ul class="plainlist">${breaks.map(broken)}</ul>`}</td></tr>`
}

const broken = ({ from, to, reason, outcome, refusedBy, notice }: Break): Markup =>
  html`<li>${from} → ${to}: ${outcome === 'refused' ? `${reason}, refused by the ${refusedBy}` : 'not reached'}. <span class="soft">${notice}.</span></li>`
