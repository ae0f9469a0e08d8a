/** Which port each component listens on: its original's, free ones, or those that the user names. */
import { createServer, type Server } from 'node:net'
import { portHolder } from '#components/port-holder.ts'
import { nearest, TrustplaneError } from '#errors.ts'

/** The originals' defaults (kubernetes.io "Ports and Protocols"; pkg/cluster/ports). extension-apiserver's is ours. */
export const defaultPorts = {
  etcd: 2379,
  'etcd-peer': 2380,
  'etcd-metrics': 2381,
  'kube-apiserver': 6443,
  kubelet: 10250,
  'kubelet-healthz': 10248,
  'kube-controller-manager': 10257,
  'kube-scheduler': 10259,
  'kube-proxy-healthz': 10256,
  'kube-proxy-metrics': 10249,
  'extension-apiserver': 10260,
} as const satisfies Record<string, number>

type PortKey = keyof typeof defaultPorts
export type Ports = Record<PortKey, number>

/** - `kubernetes`: the originals' - `random`: free ones - or the originals' with some replaced */
export type PortsOption = 'kubernetes' | 'random' | Partial<Ports>

export interface ChosenPorts {
  ports: Ports
  /** Kubelets after the first listen on the same ports of 127.0.0.2, 127.0.0.3, … (Linux has all of 127.0.0.0/8). */
  host(node: number): string
  /** Gives random ports back. */
  release(): void
}

/**
 * @throws TrustplaneError TP_PORT_IN_USE, with who has it
 */
export async function choosePorts(option: PortsOption, host = '127.0.0.1'): Promise<ChosenPorts> {
  const hostOf = (node: number) => (node === 0 ? host : `127.0.0.${node + 1}`)
  if (option === 'random') {
    const block = await reserveBlock()
    const keys = Object.keys(defaultPorts) as PortKey[]
    const ports = Object.fromEntries(keys.map((key, index) => [key, block.first + 1 + index])) as Ports
    return { ports, host: hostOf, release: block.release }
  }
  const ports: Ports = { ...defaultPorts, ...(option === 'kubernetes' ? {} : option) }
  await assertFree(ports, host)
  return { ports, host: hostOf, release() {} }
}

async function assertFree(ports: Ports, host: string): Promise<void> {
  const taken = await Promise.all(
    Object.entries(ports).map(async ([name, port]) => ({ name, port, free: port === 0 || (await isFree(port, host)) })),
  )
  const problems = taken.filter(({ free }) => !free)
  if (problems.length === 0) return
  const lines = problems.map(({ name, port }) => {
    const holder = portHolder(port)
    return `port ${port} (${name}) is in use${holder ? ` by ${holder.command} (pid ${holder.pid})` : ''}`
  })
  throw new TrustplaneError('TP_PORT_IN_USE', lines.join('\n'), {
    fix: 'stop what listens there (`trustplane down` for another mesh), or choose other ports: --ports random, or --ports etcd=12379,…',
  })
}

/**
 * Blocks of 20 below the kernel's ephemeral ports and NodePorts (30000–32767). A block's first port is held as long as the mesh
 * lives: whoever finds it taken tries another, so two meshes that start at once never get the same ports.
 */
async function reserveBlock(): Promise<{ first: number; release(): void }> {
  const size = 20
  for (let attempt = 0; attempt < 100; attempt++) {
    const first = 20_000 + size * Math.floor(Math.random() * 490)
    const guard = await listen(first, '127.0.0.1')
    if (!guard) continue
    const used = Object.keys(defaultPorts).map((_, index) => first + 1 + index)
    const free = await Promise.all(used.map(port => isFree(port, '127.0.0.1')))
    guard.unref()
    if (free.every(Boolean)) return { first, release: () => void guard.close() }
    guard.close()
  }
  throw new TrustplaneError('TP_PORT_IN_USE', 'no block of free ports was found between 20000 and 29800', {
    fix: 'stop some of what listens there, or name the ports: --ports etcd=12379,…',
  })
}

async function isFree(port: number, host: string): Promise<boolean> {
  const server = await listen(port, host)
  if (server) await new Promise(resolve => server.close(resolve))
  return server !== undefined
}

/** Undefined when the port is taken or not ours to take. */
function listen(port: number, host: string): Promise<Server | undefined> {
  return new Promise(resolve => {
    const server = createServer(socket => socket.destroy())
    server.once('error', () => resolve(undefined))
    server.listen({ port, host, exclusive: true }, () => resolve(server))
  })
}

/**
 * `kubernetes`, `random`, or `etcd=12379,kube-apiserver=16443`.
 * @throws TrustplaneError TP_USAGE
 */
export function parsePorts(text: string): PortsOption {
  if (text === 'kubernetes' || text === 'random') return text
  const ports: Partial<Ports> = {}
  for (const part of text.split(',')) {
    const [name = '', value = ''] = part.split('=')
    const port = Number(value)
    if (!(name in defaultPorts)) {
      const known = nearest(name, [...Object.keys(defaultPorts), 'kubernetes', 'random'])
      throw new TrustplaneError('TP_USAGE', `--ports: unknown name ${JSON.stringify(name)}`, {
        fix: known
          ? `did you mean ${known}?`
          : `kubernetes, random, or NAME=PORT with a name of ${Object.keys(defaultPorts).join(', ')}`,
      })
    }
    if (!/^\d+$/.test(value) || port < 1 || port > 65_535) {
      throw new TrustplaneError(
        'TP_USAGE',
        `--ports: ${name} needs a port from 1 to 65535, found ${JSON.stringify(value)}`,
        {
          fix: `write it as ${name}=${defaultPorts[name as PortKey]}`,
        },
      )
    }
    ports[name as PortKey] = port
  }
  return ports
}
