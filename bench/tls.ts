/** What a handshake costs: both ends in one process, and the server's CPU beside a real etcd's. */
import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, createSecureContext, createServer, type SecureContext } from 'node:tls'
import { systemClock } from '#clock.ts'
import { silentLog } from '#log.ts'
import { memoryBundle } from '#tls/bundle.ts'
import { createDialer } from '#tls/dial.ts'
import { memoryIdentity } from '#tls/identity.ts'
import { createTlsListener } from '#tls/listen.ts'
import { memoryRecords } from '#tls/records.ts'
import { type Pki, throwawayPki } from '../test/tls/mesh.ts'
import type { Figure } from './run.ts'

const rounds = 7
const perRound = 300
/** Linux: USER_HZ. */
const ticksPerSecond = 100

export async function run(): Promise<Figure[]> {
  const pki = throwawayPki()
  return [...(await oneProcess(pki)), ...(await serverCpu(pki))]
}

/** Best of several rounds that take turns: the machine has other things to do, and they hit all alike. */
async function compare(contestants: Record<string, (round: number) => Promise<number>>, best: 'min' | 'max') {
  const results: Record<string, number[]> = {}
  for (let round = 0; round < rounds; round++) {
    for (const [name, measure] of Object.entries(contestants)) {
      results[name] = [...(results[name] ?? []), await measure(round)]
    }
  }
  return Object.fromEntries(Object.entries(results).map(([name, values]) => [name, Math[best](...values)]))
}

async function oneProcess(pki: Pki): Promise<Figure[]> {
  const shared = { clock: systemClock, voice: 'go1.24', log: silentLog, records: memoryRecords() } as const
  const listener = createTlsListener({
    ...shared,
    component: 'etcd',
    host: '127.0.0.1',
    port: 0,
    identity: memoryIdentity(pki.server.cert, pki.server.key),
    clientAuth: 'require',
    clientCa: memoryBundle(pki.ca.cert),
  })
  listener.on('connection', socket => socket.resume().on('error', () => {}))
  await listener.listen()
  const dialer = createDialer({
    ...shared,
    component: 'kube-apiserver',
    from: 'kube-apiserver',
    to: 'etcd',
    identity: memoryIdentity(pki.client.cert, pki.client.key),
    roots: memoryBundle(pki.ca.cert),
  })
  const plain = createServer({
    ...{ cert: pki.server.cert, key: pki.server.key, ca: pki.ca.cert },
    requestCert: true,
    rejectUnauthorized: true,
  })
  plain.on('secureConnection', socket => socket.resume().on('error', () => {}))
  await new Promise<void>(resolve => plain.listen(0, '127.0.0.1', resolve))
  const { port } = plain.address() as AddressInfo
  const secureContext = createSecureContext({ cert: pki.client.cert, key: pki.client.key, ca: pki.ca.cert })

  const perSecond = async (one: () => Promise<unknown>) => {
    const began = process.hrtime.bigint()
    for (let i = 0; i < perRound; i++) await one()
    return perRound / (Number(process.hrtime.bigint() - began) / 1e9)
  }
  const best = await compare(
    {
      plain: () => perSecond(() => handshake(port, secureContext)),
      ours: () =>
        perSecond(async () => {
          const socket = await dialer.connect(listener.address)
          socket.resume().end()
          await once(socket, 'close')
        }),
    },
    'max',
  )
  await dialer.close()
  await listener.close()
  plain.close()
  return [
    {
      name: 'handshakes a second, both ends in one process with verdicts and records',
      value: best.ours!,
      unit: '/s',
      target: '≥ 500 where plain Node does 600: ≥ 0.83 of it',
      baseline: `plain Node ${best.plain!.toFixed(0)}/s, ratio ${(best.ours! / best.plain!).toFixed(2)}`,
    },
  ]
}

/** One full mutual TLS 1.3 handshake as any client makes it; X25519, which every server here has. */
async function handshake(port: number, secureContext: SecureContext): Promise<void> {
  const socket = connect({ host: '127.0.0.1', port, secureContext, servername: 'localhost' })
  await once(socket, 'secureConnect')
  socket.resume().end()
  await once(socket, 'close')
}

interface Server {
  port: number
  child: ChildProcess
}

async function serverCpu(pki: Pki): Promise<Figure[]> {
  const dir = mkdtempSync(join(tmpdir(), 'trustplane-bench-'))
  const servers: Record<string, Server> = {}
  try {
    for (const [name, text] of [
      ['ca.crt', pki.ca.cert],
      ['server.crt', pki.server.cert],
      ['server.key', pki.server.key],
    ] as const) {
      writeFileSync(join(dir, name), text, { mode: 0o600 })
    }
    servers.plain = await startNode('plain', dir)
    servers.ours = await startNode('ours', dir)
    const etcd = await startEtcd(dir)
    if (etcd) servers.etcd = etcd
    const { cert, key } = pki.client
    const secureContext = createSecureContext({
      cert,
      key,
      ca: pki.ca.cert,
      ecdhCurve: 'X25519',
      minVersion: 'TLSv1.3',
    })
    const contestants = Object.entries(servers).map(([name, server]) => [
      name,
      async (round: number) => {
        // V8 compiles on threads of the process, which would count
        for (let warm = 0; round === 0 && warm < 5; warm++) await many(server.port, secureContext)
        const before = cpuSeconds(server.child)
        await many(server.port, secureContext)
        return ((cpuSeconds(server.child) - before) / perRound) * 1000
      },
    ])
    const best = await compare(Object.fromEntries(contestants), 'min')
    const beside = etcd
      ? `real etcd ${best.etcd!.toFixed(2)} ms, ratio ${(best.ours! / best.etcd!).toFixed(2)}; `
      : 'no etcd here; '
    return [
      {
        name: "server's CPU of a new mutual TLS 1.3 handshake, verdict and record included",
        value: best.ours!,
        unit: 'ms',
        target: "≤ 1.25 × real etcd's",
        baseline: `${beside}plain Node ${best.plain!.toFixed(2)} ms`,
      },
    ]
  } finally {
    for (const { child } of Object.values(servers)) child.kill('SIGKILL')
    rmSync(dir, { recursive: true, force: true })
  }
}

/** Four at a time. */
async function many(port: number, secureContext: SecureContext): Promise<void> {
  let left = perRound
  await Promise.all(
    Array.from({ length: 4 }, async () => {
      while (left-- > 0) await handshake(port, secureContext)
    }),
  )
}

/** User and system time of a process so far (proc(5), fields 14 and 15). */
function cpuSeconds({ pid }: ChildProcess): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}

async function startNode(kind: string, dir: string): Promise<Server> {
  const child = fork(join(import.meta.dirname, 'servers/tls-server.ts'), [kind, dir])
  const [{ port }] = (await once(child, 'message')) as [{ port: number }]
  return { child, port }
}

/** undefined when there is no etcd on this machine. */
async function startEtcd(dir: string): Promise<Server | undefined> {
  const [port, peer] = await Promise.all([freePort(), freePort()])
  const child = spawn(
    'etcd',
    [
      `--data-dir=${join(dir, 'etcd')}`,
      `--listen-client-urls=https://127.0.0.1:${port}`,
      `--advertise-client-urls=https://127.0.0.1:${port}`,
      `--listen-peer-urls=http://127.0.0.1:${peer}`,
      `--initial-advertise-peer-urls=http://127.0.0.1:${peer}`,
      `--initial-cluster=default=http://127.0.0.1:${peer}`,
      `--cert-file=${join(dir, 'server.crt')}`,
      `--key-file=${join(dir, 'server.key')}`,
      `--trusted-ca-file=${join(dir, 'ca.crt')}`,
      '--client-cert-auth',
      '--logger=zap',
      '--log-level=fatal',
    ],
    { stdio: 'ignore' },
  )
  const gone = new Promise<false>(resolve =>
    child.once('error', () => resolve(false)).once('exit', () => resolve(false)),
  )
  for (;;) {
    const tried = await Promise.race([gone, reachable(port, join(dir, 'ca.crt'))])
    if (tried) return { child, port }
    if (child.exitCode !== null || child.pid === undefined) return undefined
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

const freePort = () =>
  new Promise<number>(resolve => {
    const server = createTcpServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })

/** TLS answers; who we are does not matter yet. */
const reachable = (port: number, caFile: string) =>
  new Promise<boolean>(resolve => {
    const socket = connect({ host: '127.0.0.1', port, ca: readFileSync(caFile) })
    socket.once('secureConnect', () => {
      resolve(true)
      socket.destroy()
    })
    socket.on('error', () => resolve(false))
  })
