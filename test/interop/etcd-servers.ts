/** A real etcd and ours, side by side: same flags, same certificates, ports of their own. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { Agent, request } from 'undici'
import { systemClock } from '#clock.ts'
import { component } from '#components/etcd/index.ts'
import { silentLog } from '#log.ts'
import { createPki } from '#pki/create.ts'
import { loadPlan } from '#pki/plan.ts'
import { memoryRecords } from '#tls/records.ts'
import type { Voice } from '#x509/types.ts'

export interface Etcd {
  name: 'real' | 'ours'
  url: string
  /** Flags for etcdctl: endpoint and certificates. */
  ctl: readonly string[]
  post(path: string, body: string): Promise<{ status: number; text: string }>
  /** The first lines of a stream. */
  lines(path: string, body: string, count: number): Promise<string[]>
}

function speaking(url: string, dispatcher: Agent): Pick<Etcd, 'post' | 'lines'> {
  const send = (path: string, body: string) => request(url + path, { dispatcher, method: 'POST', body })
  return {
    async post(path, body) {
      const reply = await send(path, body)
      return { status: reply.statusCode, text: await reply.body.text() }
    },
    async lines(path, body, count) {
      const reply = await send(path, body)
      let text = ''
      for await (const chunk of reply.body) {
        text += chunk
        if (text.split('\n').length > count) break
      }
      return text.split('\n').slice(0, count)
    },
  }
}

/** The voice that the etcd on PATH has. */
export function voiceOf(etcd: string): Voice {
  const { stdout } = spawnSync(etcd, ['--version'], { encoding: 'utf8' })
  return /Version: 3\.4\./.test(stdout) ? 'go1.19' : 'go1.24'
}

export async function startBoth(t: Test, etcd: string, dataDirs = true): Promise<[real: Etcd, ours: Etcd]> {
  const dir = t.testdir()
  await createPki({ plan: await loadPlan('kubeadm'), dir })
  const file = (name: string) => join(dir, 'pki', name)
  const flags = (name: string, client: number, peer: number) => [
    '--name=node-1',
    ...(dataDirs || name === 'real' ? [`--data-dir=${join(dir, name)}`] : []),
    `--listen-client-urls=https://127.0.0.1:${client}`,
    '--advertise-client-urls=https://127.0.0.1:2379',
    `--listen-peer-urls=https://127.0.0.1:${peer}`,
    '--initial-advertise-peer-urls=https://127.0.0.1:2380',
    '--initial-cluster=node-1=https://127.0.0.1:2380',
    `--cert-file=${file('etcd/server.crt')}`,
    `--key-file=${file('etcd/server.key')}`,
    '--client-cert-auth',
    `--trusted-ca-file=${file('etcd/ca.crt')}`,
    `--peer-cert-file=${file('etcd/peer.crt')}`,
    `--peer-key-file=${file('etcd/peer.key')}`,
    '--peer-client-cert-auth',
    `--peer-trusted-ca-file=${file('etcd/ca.crt')}`,
  ]
  const agent = new Agent({
    connect: {
      ca: readFileSync(file('etcd/ca.crt')),
      cert: readFileSync(file('apiserver-etcd-client.crt')),
      key: readFileSync(file('apiserver-etcd-client.key')),
    },
  })
  t.teardown(() => agent.destroy())
  const of = (name: Etcd['name'], port: number): Etcd => {
    const url = `https://127.0.0.1:${port}`
    const certificates = [
      'cacert',
      'etcd/ca.crt',
      'cert',
      'apiserver-etcd-client.crt',
      'key',
      'apiserver-etcd-client.key',
    ]
    const ctl = [`--endpoints=${url}`]
    for (let i = 0; i < certificates.length; i += 2) ctl.push(`--${certificates[i]}=${file(certificates[i + 1]!)}`)
    return { name, url, ctl, ...speaking(url, agent) }
  }

  const [port, peer] = await freePorts()
  const child = spawn(etcd, flags('real', port, peer), { stdio: 'ignore' })
  t.teardown(() => kill(child))
  const running = await component.start(flags('ours', 0, 0), {
    clock: systemClock,
    voice: voiceOf(etcd),
    log: silentLog,
    records: memoryRecords(),
  })
  t.teardown(() => running.stop())
  const real = of('real', port)
  await serves(real, child)
  return [real, of('ours', running.addresses.client!.port)]
}

/** A real etcd on what `etcdctl snapshot restore` makes of a snapshot; over plain HTTP. */
export async function startRestored(t: Test, etcd: string, etcdctl: string, snapshot: string): Promise<Etcd> {
  const dir = join(t.testdir(), 'restored')
  const [port, peer] = await freePorts()
  const peerUrl = `http://127.0.0.1:${peer}`
  const url = `http://127.0.0.1:${port}`
  const same = [
    `--data-dir=${dir}`,
    '--name=n1',
    `--initial-cluster=n1=${peerUrl}`,
    `--initial-advertise-peer-urls=${peerUrl}`,
  ]
  const restore = spawnSync(etcdctl, ['snapshot', 'restore', snapshot, ...same], {
    encoding: 'utf8',
    env: { PATH: process.env.PATH, ETCDCTL_API: '3' },
  })
  if (restore.status !== 0) throw new Error(restore.stderr)
  const urls = [`--listen-client-urls=${url}`, `--advertise-client-urls=${url}`, `--listen-peer-urls=${peerUrl}`]
  const child = spawn(etcd, [...same, ...urls], { stdio: 'ignore' })
  t.teardown(() => kill(child))
  const server: Etcd = { name: 'real', url, ctl: [`--endpoints=${url}`], ...speaking(url, new Agent()) }
  await serves(server, child)
  return server
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL')
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
}

async function serves(etcd: Etcd, child: ChildProcess): Promise<void> {
  for (;;) {
    if (child.exitCode !== null) throw new Error(`etcd ended with ${child.exitCode}`)
    const reply = await etcd.post('/v3/kv/range', '{"key":"AA=="}').catch(() => undefined)
    if (reply?.status === 200) return
    await sleep(50)
  }
}

async function freePorts(): Promise<[number, number]> {
  const servers = [createServer(), createServer()].map(server => server.listen(0, '127.0.0.1'))
  await Promise.all(servers.map(server => once(server, 'listening')))
  const ports = servers.map(server => (server.address() as { port: number }).port)
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))))
  return ports as [number, number]
}
