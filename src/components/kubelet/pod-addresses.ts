/** Addresses for pods: nobody listens there, but they look like a cluster's, and no two pods of a node share one. */
import { createHash } from 'node:crypto'

/** @param cidr `10.244.3.0/24`; left out: a /24 of 10.244.0.0/16 by the node's name. Of a larger network its first /24 is used. */
export function podAddresses(nodeName: string, cidr?: string): { take(): string; giveBack(address: string): void } {
  const given = /^(\d+\.\d+\.\d+)\.\d+\/\d+$/.exec(cidr ?? '')?.[1]
  const prefix = given ?? `10.244.${createHash('sha256').update(nodeName).digest()[0]}`
  const taken = new Set<string>()
  let next = 2
  return {
    take() {
      for (let tries = 0; tries < 253; tries++) {
        const address = `${prefix}.${next}`
        next = next === 254 ? 2 : next + 1
        if (taken.has(address)) continue
        taken.add(address)
        return address
      }
      return `${prefix}.255`
    },
    giveBack: address => void taken.delete(address),
  }
}
