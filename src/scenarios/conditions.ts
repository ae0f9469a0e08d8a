/** What can be waited for: every notice, and what a connection comes to. */
import { parseDuration } from '#clock.ts'
import { describe } from '#mesh/agreement.ts'
import { describeExpectation, fits } from './judge.ts'
import { findNotice } from './notices/index.ts'
import type { Seen } from './notices/notice.ts'
import type { Stage } from './stage.ts'
import type { Expectation, NoticeAttributes } from './types.ts'
import type { Waiting } from './waiting.ts'

/** `connection: { connection: kubelet -> kube-apiserver, is: ok }`: only to wait for; `expect` is what judges. */
export const connectionCondition = {
  connection: { kind: 'connection', description: 'Which one; it is dialled again and again.' },
  is: { kind: 'expectation', description: 'What it comes to: ok, unreachable, or a refusal.' },
} as const

const defaultWithin = { notice: '5s', wait: '30s' }

/** @param value one key with its attributes, and perhaps `within` */
export function conditionOf(
  stage: Stage,
  value: Readonly<Record<string, NoticeAttributes>>,
): { what: string; waiting: Waiting } {
  const { within, ...rest } = value
  const [name, attributes] = Object.entries(rest)[0]!
  const withinMs = parseDuration(String(within ?? attributes.within ?? defaultWithin.wait))
  if (name === 'connection') {
    const { connection, is } = attributes as { connection: string; is: Expectation }
    const look = () => lookAtConnection(stage, connection, is)
    return { what: `${connection} is ${describeExpectation(is)}`, waiting: { withinMs, look } }
  }
  return { what: findNotice(name)!.expected(attributes), waiting: { ...waitingFor(stage, name, attributes), withinMs } }
}

/** How long a notice is waited for is its own business. */
export function waitingFor(stage: Stage, name: string, attributes: NoticeAttributes): Waiting {
  const notice = findNotice(name)!
  return {
    withinMs: parseDuration(String(attributes.within ?? defaultWithin.notice)),
    look: () => notice.look(stage, attributes),
    ...(notice.watch ? { watch: (again, signal) => notice.watch!(stage, attributes, again, signal) } : {}),
  }
}

async function lookAtConnection({ mesh, programs }: Stage, connection: string, is: Expectation): Promise<Seen> {
  const [from = '', to = ''] = connection.split(' -> ')
  const [row] = await mesh.probe([{ from, to }], { timeoutMs: 1500 })
  return { ok: fits(is, row!, programs), seen: describe(row!) }
}
