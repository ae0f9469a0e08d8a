/** Cluster IPs and node ports of services: given out when a service is written, free of those that etcd has. */
import { randomInt } from 'node:crypto'
import { invalid } from '#kubernetes/status.ts'
import type { Unstructured } from '#kubernetes/types.ts'
import { array, text } from '../columns/values.ts'
import { contains, nthAddress, rangeSize } from '../resources/addresses.ts'
import { child, fill, list } from '../resources/defaults.ts'
import { resourceOf } from '../resources/table.ts'
import { decode } from '../storage/codec.ts'
import type { Store } from '../storage/store.ts'
import type { Plugin } from './types.ts'

interface Options {
  store: Store
  /** --service-cluster-ip-range's first. */
  range: string
  /** --service-node-port-range: `30000-32767`. */
  nodePorts: string
}

/** What was given out a moment ago may not be in etcd yet. */
const heldMs = 5000

export function serviceAddresses({ store, range, nodePorts }: Options): Plugin {
  const held = new Map<string, number>()
  const hold = (what: string) => {
    const now = performance.now()
    for (const [key, until] of held) if (until < now) held.delete(key)
    held.set(what, now + heldMs)
  }
  const [firstPort = 30000, lastPort = 32767] = nodePorts.split('-').map(Number)
  return async ({ definition, operation, subresource, object, old, dryRun }) => {
    if (definition.kind !== 'Service' || subresource !== '' || !object) return
    if (operation !== 'CREATE' && operation !== 'UPDATE') return
    const spec = child(object, 'spec')
    if (spec.type === 'ExternalName') {
      for (const field of ['clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy', 'internalTrafficPolicy'])
        delete spec[field]
      return
    }
    const wantsIp = !spec.clusterIP || (operation === 'CREATE' && spec.clusterIP !== 'None')
    const wantsPorts = spec.type === 'NodePort' || spec.type === 'LoadBalancer'
    if (wantsIp || wantsPorts) {
      const used = await inUse(store, old)
      if (wantsIp) spec.clusterIP = address(object, range, used, held)
      if (wantsPorts) {
        for (const port of list(spec.ports)) {
          if (!port.nodePort) port.nodePort = freePort(firstPort, lastPort, used, held)
          if (!dryRun) hold(`port ${port.nodePort}`)
        }
      }
      if (!dryRun) hold(String(spec.clusterIP))
    }
    if (!wantsPorts) for (const port of list(spec.ports)) delete port.nodePort
    fill(spec, {
      clusterIPs: [spec.clusterIP],
      ipFamilies: [String(range).includes(':') ? 'IPv6' : 'IPv4'],
      ipFamilyPolicy: 'SingleStack',
    })
  }
}

async function inUse(store: Store, old: Unstructured | undefined): Promise<Set<string>> {
  const { kvs } = await store.list({ prefix: `${resourceOf('', 'services').registry}/` })
  const used = new Set<string>()
  for (const kv of kvs) {
    const service = decode(kv.value, kv.modRevision)
    if (old && service.metadata.uid === old.metadata.uid) continue
    used.add(text(service, 'spec', 'clusterIP'))
    for (const port of array(service, 'spec', 'ports')) if (port.nodePort) used.add(`port ${port.nodePort}`)
  }
  return used
}

function address(
  service: Unstructured,
  range: string,
  used: ReadonlySet<string>,
  held: ReadonlyMap<string, number>,
): string {
  const asked = text(service, 'spec', 'clusterIP')
  const refuse = (why: string) =>
    invalid({ group: '', kind: 'Service' }, service.metadata.name ?? '', [
      { type: 'invalid', field: 'spec.clusterIPs', value: [asked], detail: `failed to allocate IP ${asked}: ${why}` },
    ])
  if (asked) {
    if (!contains(range, asked))
      throw refuse(`the provided IP (${asked}) is not in the valid range. The range of valid IPs is ${range}`)
    if (used.has(asked)) throw refuse('provided IP is already allocated')
    return asked
  }
  for (let tries = 0; tries < 10_000; tries++) {
    const found = nthAddress(range, randomInt(1, rangeSize(range) + 1))
    if (!used.has(found) && !held.has(found)) return found
  }
  throw refuse('range is full')
}

function freePort(first: number, last: number, used: ReadonlySet<string>, held: ReadonlyMap<string, number>): number {
  for (let tries = 0; tries < 10_000; tries++) {
    const port = randomInt(first, last + 1)
    if (!used.has(`port ${port}`) && !held.has(`port ${port}`)) return port
  }
  throw invalid({ group: '', kind: 'Service' }, '', [
    { type: 'invalid', field: 'spec.ports[0].nodePort', value: 0, detail: 'range is full' },
  ])
}
