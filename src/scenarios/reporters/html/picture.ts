/** The mesh as a picture: who dials whom, and at which end a connection is refused. */
import { describe } from '#mesh/agreement.ts'
import type { ConnectionStatus } from '#mesh/status.ts'
import { html, type Markup } from './markup.ts'

interface Point {
  x: number
  y: number
}

/** Where each end stands; centres of boxes. Ends of one component stand together. */
const places: Readonly<Record<string, Point & { small?: boolean }>> = {
  kubectl: { x: 90, y: 70 },
  'kube-scheduler': { x: 310, y: 70 },
  'kube-controller-manager': { x: 540, y: 70 },
  monitoring: { x: 830, y: 70 },
  'kube-apiserver': { x: 450, y: 240 },
  'extension-apiserver': { x: 830, y: 205 },
  webhook: { x: 830, y: 285, small: true },
  etcd: { x: 110, y: 240 },
  'etcd-gateway': { x: 70, y: 345, small: true },
  'etcd-healthcheck': { x: 70, y: 150, small: true },
  'etcd-peer': { x: 205, y: 345, small: true },
  'kube-proxy': { x: 330, y: 420 },
  kubelet: { x: 600, y: 420 },
}

/** How far a line swings out to the left of its direction, where it would run through a box or over its twin. */
const bends: Readonly<Record<string, number>> = {
  'monitoring -> kube-scheduler': 60,
  'kubelet -> kube-apiserver': -26,
  'kube-apiserver -> kubelet': -26,
}

/** By the length of the name: 13 px a letter, 11 px in a small box. */
const sizeOf = (name: string) =>
  places[name]?.small
    ? { width: Math.max(84, name.length * 7 + 22), height: 30 }
    : { width: Math.max(130, name.length * 8 + 28), height: 44 }

export function picture(id: string, rows: readonly ConnectionStatus[]): Markup {
  const drawn = rows.filter(({ from, to }) => places[from] && places[to])
  const bad = drawn.filter(({ outcome }) => outcome !== 'ok')
  const words =
    bad.length === 0
      ? 'Every connection is ok.'
      : `${bad.map(row => `${row.from} to ${row.to}: ${describe(row)}`).join('. ')}. The other ${drawn.length - bad.length} are ok.`
  // what is refused lies on top
  const lines = drawn.toSorted((a, b) => Number(a.outcome !== 'ok') - Number(b.outcome !== 'ok')).map(line)
  const used = new Set(drawn.flatMap(({ from, to }) => [from, to]))
  return html`<svg class="mesh" viewBox="-10 0 940 460" role="img" aria-labelledby="${id}-t ${id}-d">
<title id="${id}-t">The connections of the control plane</title><desc id="${id}-d">${words}</desc>
${lines}${Object.keys(places)
  .filter(name => used.has(name))
  .map(name => box(name, touched(name, bad)))}
</svg>`
}

const touched = (name: string, bad: readonly ConnectionStatus[]): string =>
  bad.some(row => (row.refusedBy === 'client' ? row.from : row.to) === name && row.outcome === 'refused')
    ? ' refuses'
    : ''

function box(name: string, more: string): Markup {
  const { x, y } = places[name]!
  const { width, height } = sizeOf(name)
  return html`<g class="box${places[name]!.small ? ' small' : ''}${more}"><rect x="${x - width / 2}" y="${y - height / 2}" width="${width}" height="${height}" rx="8"/><text x="${x}" y="${y + 5}">${name}</text></g>
`
}

function line(row: ConnectionStatus): Markup {
  const { from, to, outcome } = row
  const title = `${from} → ${to}: ${describe(row)}`
  if (from === to) return html`<g class="line ${outcome}"><title>${title}</title>${loop(row)}</g>\n`
  const [start, end] = [places[from]!, places[to]!]
  const bend = bends[`${from} -> ${to}`] ?? 0
  const length = Math.hypot(end.x - start.x, end.y - start.y)
  const middle = {
    x: (start.x + end.x) / 2 + ((end.y - start.y) / length) * bend * 2,
    y: (start.y + end.y) / 2 - ((end.x - start.x) / length) * bend * 2,
  }
  const a = edge(start, middle, from)
  const b = edge(end, middle, to)
  const at = (t: number) => curve(a, middle, b, t)
  return html`<g class="line ${outcome}"><title>${title}</title><path d="M${round(a.x)} ${round(a.y)}Q${round(middle.x)} ${round(middle.y)} ${round(b.x)} ${round(b.y)}"/>${head(at(0.93), b)}${mark(row, at(row.refusedBy === 'client' ? 0.14 : 0.82))}</g>
`
}

/** A member that dials its like. */
function loop(row: ConnectionStatus): Markup {
  const { x, y } = places[row.from]!
  const { width, height } = sizeOf(row.from)
  const [right, bottom] = [x + width / 2, y + height / 2]
  return html`<path d="M${right - 14} ${bottom}q8 34 24 16q14 -18 -10 -30"/>${mark(row, { x: right + 12, y: bottom + 14 })}`
}

/** Where the way to `towards` leaves the box. */
function edge(centre: Point, towards: Point, name: string): Point {
  const { width, height } = sizeOf(name)
  const [dx, dy] = [towards.x - centre.x, towards.y - centre.y]
  const scale = Math.min((width / 2 + 3) / Math.abs(dx || 1e-6), (height / 2 + 3) / Math.abs(dy || 1e-6))
  return { x: centre.x + dx * scale, y: centre.y + dy * scale }
}

const curve = (a: Point, m: Point, b: Point, t: number): Point => ({
  x: (1 - t) ** 2 * a.x + 2 * t * (1 - t) * m.x + t ** 2 * b.x,
  y: (1 - t) ** 2 * a.y + 2 * t * (1 - t) * m.y + t ** 2 * b.y,
})

function head(before: Point, tip: Point): Markup {
  const angle = Math.atan2(tip.y - before.y, tip.x - before.x)
  const corner = (turn: number) =>
    `${round(tip.x - 9 * Math.cos(angle + turn))} ${round(tip.y - 9 * Math.sin(angle + turn))}`
  return html`<path class="head" d="M${round(tip.x)} ${round(tip.y)}L${corner(0.42)}L${corner(-0.42)}Z"/>`
}

/** A cross at the end that refuses, a question mark where nobody was reached. */
function mark({ outcome }: ConnectionStatus, { x, y }: Point): Markup {
  if (outcome === 'ok') return html``
  return html`<circle class="mark" cx="${round(x)}" cy="${round(y)}" r="10"/><text class="sign" x="${round(x)}" y="${round(y + 4.5)}">${outcome === 'refused' ? '✕' : '?'}</text>`
}

const round = (value: number) => Math.round(value * 10) / 10
