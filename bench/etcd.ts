/**
 * What etcd's JSON gateway costs, ours and a real etcd's in the same run: both over mutual TLS, kept-alive HTTP/1.1, each server
 * a process of its own, CPU of all its threads from /proc. Ratios are what counts; the absolute figures are this machine's.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, type TLSSocket } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { runComponent } from '#components/run.ts'
import { createPki } from '#pki/create.ts'
import { loadPlan } from '#pki/plan.ts'
import type { Figure } from './run.ts'

const valueBytes = 1024
const keys = 1000
const requests = 6000
const rounds = 3

interface Server {
  name: string
  pid: number
  port: number
  stop(): Promise<void>
}

interface Measured {
  /** Of the server, for one request. */
  cpuMicroseconds: number
  perSecond: number
}

export async function run(): Promise<Figure[]> {
  if (process.platform !== 'linux') return []
  const work = mkdtempSync(join(tmpdir(), 'trustplane-bench-etcd-'))
  const servers: Server[] = []
  try {
    await createPki({
      plan: await loadPlan(fileURLToPath(new URL('../certs/kubeadm.yaml', import.meta.url))),
      dir: work,
    })
    const start = async (kind: 'ours' | 'real', dataDir?: string) => {
      const server = await startServer(kind, work, dataDir)
      if (server) {
        servers.push(server)
        await fill(server, work)
      }
      return server
    }
    const memory = await start('ours')
    const disk = await start('ours', join(work, 'ours'))
    const real = await start('real', join(work, 'real'))
    const figures: Figure[] = []
    for (const { name, paths, clients, server } of [
      { name: 'range of one key', paths: ranges(), clients: 16, server: memory },
      { name: 'range of one key, one client', paths: ranges(), clients: 1, server: memory },
      { name: 'range of 100 keys', paths: lists(), clients: 16, server: memory },
      { name: 'put without --data-dir', paths: puts(), clients: 16, server: memory },
      { name: 'put with --data-dir', paths: puts(), clients: 16, server: disk },
    ]) {
      const ours = await measure(server!, work, paths, clients)
      const theirs = real && (await measure(real, work, paths, clients))
      const isDurable = server === disk
      figures.push({
        name: `${name}: CPU`,
        value: ours.cpuMicroseconds,
        unit: 'µs',
        ...baseline(theirs?.cpuMicroseconds, 'µs'),
      })
      figures.push({ name: `${name}: rate`, value: ours.perSecond, unit: '/s', ...baseline(theirs?.perSecond, '/s') })
      if (!theirs) continue
      figures.push({
        name: `${name}: requests per second of CPU, times real etcd's`,
        value: theirs.cpuMicroseconds / ours.cpuMicroseconds,
        unit: '×',
        target: isDurable ? '≥ 2' : '≥ 3',
      })
      if (isDurable) {
        figures.push({
          name: `${name}: rate, times real etcd's`,
          value: ours.perSecond / theirs.perSecond,
          unit: '×',
          target: '≥ 2',
        })
      }
    }
    return figures
  } finally {
    for (const server of servers) await server.stop()
    rmSync(work, { recursive: true, force: true })
  }
}

const baseline = (value: number | undefined, unit: string) =>
  value === undefined ? {} : { baseline: `real etcd: ${value.toFixed(0)} ${unit}` }

const base64 = (text: string) => Buffer.from(text).toString('base64')
const keyOf = (i: number) => base64(`/registry/pods/default/pod-${String(i % keys).padStart(4, '0')}`)

interface Paths {
  path: string
  body(i: number): string
}

const puts = (): Paths => {
  const value = base64('x'.repeat(valueBytes))
  return { path: '/v3/kv/put', body: i => JSON.stringify({ key: keyOf(i * 7), value }) }
}
const ranges = (): Paths => ({ path: '/v3/kv/range', body: i => JSON.stringify({ key: keyOf(i * 7) }) })
const lists = (): Paths => ({
  path: '/v3/kv/range',
  body: i => JSON.stringify({ key: keyOf(i * 7), range_end: base64('/registry/pods0'), limit: '100' }),
})

/** The best of a few rounds: whatever else runs on the machine only makes it worse. */
async function measure(server: Server, pki: string, paths: Paths, clients: number): Promise<Measured> {
  const sockets = await Promise.all(Array.from({ length: clients }, () => dial(server.port, pki)))
  try {
    const count = paths.body(0).includes('limit') ? requests / 20 : clients === 1 ? requests / 3 : requests
    const round = async (requests: number): Promise<Measured> => {
      const cpuBefore = cpuSeconds(server.pid)
      const began = performance.now()
      let next = 0
      await Promise.all(
        sockets.map(async socket => {
          while (next < requests) await exchange(socket, paths.path, paths.body(next++))
        }),
      )
      const seconds = (performance.now() - began) / 1000
      return { cpuMicroseconds: ((cpuSeconds(server.pid) - cpuBefore) / requests) * 1e6, perSecond: requests / seconds }
    }
    await round(Math.max(200, count / 3))
    const measured: Measured[] = []
    for (let i = 0; i < rounds; i++) measured.push(await round(count))
    return {
      cpuMicroseconds: Math.min(...measured.map(({ cpuMicroseconds }) => cpuMicroseconds)),
      perSecond: Math.max(...measured.map(({ perSecond }) => perSecond)),
    }
  } finally {
    for (const socket of sockets) socket.destroy()
  }
}

/** What all its threads have run so far. Nanoseconds from the scheduler, since /proc/<pid>/stat counts in ticks of 10 ms. */
function cpuSeconds(pid: number): number {
  let nanoseconds = 0
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    nanoseconds += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ')[0])
  }
  return nanoseconds / 1e9
}

/** Every key, so that ranges have something to find. */
async function fill(server: Server, pki: string): Promise<void> {
  const socket = await dial(server.port, pki)
  const { path, body } = puts()
  for (let i = 0; i < keys; i++) await exchange(socket, path, body(i))
  socket.destroy()
}

async function dial(port: number, pki: string): Promise<TLSSocket> {
  const file = (name: string) => readFileSync(join(pki, 'pki', name))
  const socket = connect({
    host: '127.0.0.1',
    port,
    ca: file('etcd/ca.crt'),
    cert: file('apiserver-etcd-client.crt'),
    key: file('apiserver-etcd-client.key'),
    ALPNProtocols: ['http/1.1'],
  })
  await once(socket, 'secureConnect')
  socket.setNoDelay(true)
  return socket
}

/** One request and its answer, as cheaply as can be: this process shares the machine with what it measures. */
function exchange(socket: TLSSocket, path: string, body: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let head = ''
    let rest = -1
    let isChunked = false
    const onData = (chunk: Buffer) => {
      if (rest === -1) {
        head += chunk.toString('latin1')
        const end = head.indexOf('\r\n\r\n')
        if (end === -1) return
        if (!head.startsWith('HTTP/1.1 200')) return finish(new Error(head))
        const length = /^content-length: *(\d+)/im.exec(head)?.[1]
        isChunked = length === undefined
        rest = Number(length ?? 0) - (head.length - end - 4)
      } else rest -= chunk.length
      // Go sends what is larger than its buffer in chunks; the last one is empty
      if (isChunked ? chunk.toString('latin1', chunk.length - 5) === '0\r\n\r\n' : rest <= 0) finish()
    }
    const finish = (error?: Error) => {
      socket.off('data', onData).off('error', finish)
      if (error) reject(error)
      else resolve()
    }
    socket.on('data', onData).on('error', finish)
    socket.write(`POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ${body.length}\r\n\r\n${body}`, 'latin1')
  })
}

/** undefined: there is no etcd on PATH. */
async function startServer(
  kind: 'ours' | 'real',
  pki: string,
  dataDir: string | undefined,
): Promise<Server | undefined> {
  const [port, peerPort] = await freePorts(2)
  const file = (name: string) => join(pki, 'pki', name)
  const flags = [
    '--name=node-1',
    ...(dataDir ? [`--data-dir=${dataDir}`] : []),
    `--listen-client-urls=https://127.0.0.1:${port}`,
    `--advertise-client-urls=https://127.0.0.1:${port}`,
    `--listen-peer-urls=https://127.0.0.1:${peerPort}`,
    `--initial-advertise-peer-urls=https://127.0.0.1:${peerPort}`,
    `--initial-cluster=node-1=https://127.0.0.1:${peerPort}`,
    `--cert-file=${file('etcd/server.crt')}`,
    `--key-file=${file('etcd/server.key')}`,
    '--client-cert-auth',
    `--trusted-ca-file=${file('etcd/ca.crt')}`,
    `--peer-cert-file=${file('etcd/peer.crt')}`,
    `--peer-key-file=${file('etcd/peer.key')}`,
    '--peer-client-cert-auth',
    `--peer-trusted-ca-file=${file('etcd/ca.crt')}`,
  ]
  const child =
    kind === 'real'
      ? spawn('etcd', flags, { stdio: 'ignore' })
      : spawn(process.execPath, [fileURLToPath(import.meta.url), 'serve', ...flags], { stdio: 'ignore' })
  const failed = new Promise<'failed'>(resolve => child.once('error', () => resolve('failed')))
  if ((await Promise.race([failed, serves(port!, pki, child)])) === 'failed') return undefined
  return {
    name: kind,
    pid: child.pid!,
    port: port!,
    async stop() {
      child.kill()
      if (child.exitCode === null) await once(child, 'exit')
    },
  }
}

async function serves(port: number, pki: string, child: ChildProcess): Promise<void> {
  for (;;) {
    if (child.exitCode !== null) throw new Error(`etcd ended with ${child.exitCode}`)
    try {
      const socket = await dial(port, pki)
      await exchange(socket, '/v3/kv/range', JSON.stringify({ key: keyOf(0) })).finally(() => socket.destroy())
      return
    } catch {
      await sleep(50)
    }
  }
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map(server => once(server, 'listening')))
  const ports = servers.map(server => (server.address() as { port: number }).port)
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))))
  return ports
}

if (process.argv[2] === 'serve') process.exitCode = await runComponent('etcd', process.argv.slice(3))
