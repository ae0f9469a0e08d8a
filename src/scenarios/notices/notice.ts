/** What a notice is: something that people, or their tools, notice; and how it is looked for in a mesh that runs. */
import type { Attributes } from '../attributes.ts'
import type { Stage } from '../stage.ts'
import type { NoticeAttributes } from '../types.ts'

/** What came of looking once. */
export interface Seen {
  ok: boolean
  /** What it was, in a sentence. */
  seen: string
  /** Why it could not be looked for: a program that is not on this machine. It counts as well then. */
  skipped?: string
}

export interface NoticeSpec {
  name: string
  description: string
  attributes: Attributes
  /** Of the attributes: what is expected, in a sentence. */
  expected(attributes: NoticeAttributes): string
  /** Must change nothing that a second look would miss. */
  look(stage: Stage, attributes: NoticeAttributes): Promise<Seen>
  /** Calls `again` when a look may come out otherwise; left out: when a file of the mesh has changed. */
  watch?(stage: Stage, attributes: NoticeAttributes, again: () => void, signal: AbortSignal): void
}

export const text = (attributes: NoticeAttributes, name: string, otherwise = ''): string =>
  attributes[name] === undefined ? otherwise : String(attributes[name])

/** Of notices about a component. */
export const onNode = {
  kind: 'node',
  optional: true,
  description: 'On which node: `node-2`. Left out: the first.',
} as const

/** `kubelet on node-2` */
export const placed = (attributes: NoticeAttributes): string =>
  [text(attributes, 'component'), ...(attributes.node === undefined ? [] : ['on', text(attributes, 'node')])].join(' ')

/** Of every notice. */
export const within = {
  kind: 'duration',
  optional: true,
  description: 'How long to wait for it. Left out: 5s.',
} as const
