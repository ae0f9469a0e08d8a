/** A row of the connection table with several members of etcd at its ends: one for each member, or for each pair that dials. */
import type { PlanNode } from '#pki/types.ts'
import type { Connection } from './connections.ts'

/** @param members of etcd; with one, or away from etcd, a row is itself */
export function memberRows<T extends Connection>(members: readonly PlanNode[], row: T): T[] {
  if (members.length < 2 || !row.to.startsWith('etcd')) return [row]
  const names = members.map(({ name }) => name)
  if (row.from === 'etcd-peer') {
    return names.flatMap(clientMember =>
      names.flatMap(serverMember => (serverMember === clientMember ? [] : [{ ...row, clientMember, serverMember }])),
    )
  }
  // a gateway dials its own member
  const isOwn = row.from === 'etcd-gateway'
  return names.map(name => ({ ...row, serverMember: name, ...(isOwn ? { clientMember: name } : {}) }))
}

type Ends = Pick<Connection, 'clientMember' | 'serverMember'>

/** `node-2`, or `node-2 -> node-3` between peers. */
const memberName = ({ clientMember, serverMember }: Ends): string =>
  clientMember && clientMember !== serverMember ? `${clientMember} -> ${serverMember}` : (serverMember ?? '')

interface Outcome {
  outcome: string
  message?: string
  failing?: readonly string[]
}

/** One of all: what is worst decides, and who that is is said. @param all of one row, with their rows */
export function together<T extends Outcome>(all: readonly { row: Ends; result: T }[]): T {
  const first = all[0]!.result
  if (all.length === 1) return first
  const failing = all.filter(({ result }) => result.outcome !== 'ok' && result.outcome !== 'unknown')
  const worst = failing.find(({ result }) => result.outcome === 'refused') ?? failing[0]
  // of somebody nothing may be known yet
  if (!worst) return all.find(({ result }) => result.outcome === 'ok')?.result ?? first
  const { message } = worst.result
  return {
    ...worst.result,
    ...(message === undefined ? {} : { message: `${memberName(worst.row)}: ${message}` }),
    failing: failing.map(({ row }) => memberName(row)),
  }
}
