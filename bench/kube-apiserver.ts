/**
 * What an object costs that is read through client certificate, RBAC and etcd: the CPU of both stand-ins, each a process of its own,
 * all threads, from /proc. A real pair takes about 500 µs.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import { fileURLToPath } from 'node:url'
import type { ComponentName } from '#components/component.ts'
import { runComponent } from '#components/run.ts'
import { createPki } from '#pki/create.ts'
import { loadPlan } from '#pki/plan.ts'
import type { Figure } from './run.ts'

const objects = 200
const requests = 4000
const rounds = 3
const clients = 8

export async function run(): Promise<Figure[]> {
  if (process.platform !== 'linux') return []
  const work = mkdtempSync(join(tmpdir(), 'trustplane-bench-kube-apiserver-'))
  const file = (name: string) => join(work, 'pki', name)
  const children: ChildProcess[] = []
  const start = async (name: ComponentName, flags: string[], purpose: string) => {
    const child = fork(fileURLToPath(import.meta.url), ['serve', name, ...flags], { stdio: 'ignore' })
    children.push(child)
    for (;;) {
      const [message] = (await once(child, 'message')) as [
        { type: string; message?: string; addresses: Record<string, { port: number }> },
      ]
      if (message.type === 'failed') throw new Error(`${name}: ${message.message}`)
      if (message.type === 'ready') return { pid: child.pid!, port: message.addresses[purpose]!.port }
    }
  }
  try {
    await createPki({ plan: await loadPlan(), dir: work })
    const etcd = await start(
      'etcd',
      [
        '--listen-client-urls=https://127.0.0.1:0',
        '--advertise-client-urls=https://127.0.0.1:0',
        '--listen-peer-urls=https://127.0.0.1:0',
        `--cert-file=${file('etcd/server.crt')}`,
        `--key-file=${file('etcd/server.key')}`,
        '--client-cert-auth=true',
        `--trusted-ca-file=${file('etcd/ca.crt')}`,
        `--peer-cert-file=${file('etcd/peer.crt')}`,
        `--peer-key-file=${file('etcd/peer.key')}`,
        `--peer-trusted-ca-file=${file('etcd/ca.crt')}`,
      ],
      'client',
    )
    const began = performance.now()
    const apiserver = await start(
      'kube-apiserver',
      [
        '--bind-address=127.0.0.1',
        '--secure-port=0',
        '--authorization-mode=Node,RBAC',
        `--client-ca-file=${file('ca.crt')}`,
        `--etcd-servers=https://127.0.0.1:${etcd.port}`,
        `--etcd-cafile=${file('etcd/ca.crt')}`,
        `--etcd-certfile=${file('apiserver-etcd-client.crt')}`,
        `--etcd-keyfile=${file('apiserver-etcd-client.key')}`,
        `--tls-cert-file=${file('apiserver.crt')}`,
        `--tls-private-key-file=${file('apiserver.key')}`,
        '--service-account-issuer=https://kubernetes.default.svc',
        `--service-account-key-file=${file('sa.pub')}`,
        `--service-account-signing-key-file=${file('sa.key')}`,
      ],
      'secure',
    )
    const startMs = performance.now() - began
    const sockets = await Promise.all(Array.from({ length: clients }, () => dial(apiserver.port, work)))
    const path = '/api/v1/namespaces/default/configmaps'
    for (let i = 0; i < objects; i++) {
      const body = JSON.stringify({
        kind: 'ConfigMap',
        apiVersion: 'v1',
        metadata: { name: `bench-${i}` },
        data: { value: 'x'.repeat(1024) },
      })
      await exchange(sockets[0]!, 'POST', path, body)
    }
    const measure = async (paths: (i: number) => string, count: number) => {
      const pids = [apiserver.pid, etcd.pid]
      const round = async (): Promise<number[]> => {
        const before = pids.map(cpuSeconds)
        let next = 0
        await Promise.all(
          sockets.map(async socket => {
            while (next < count) await exchange(socket, 'GET', paths(next++))
          }),
        )
        return pids.map((pid, i) => ((cpuSeconds(pid) - before[i]!) / count) * 1e6)
      }
      await round()
      const measured: number[][] = []
      for (let i = 0; i < rounds; i++) measured.push(await round())
      return measured.sort((a, b) => a[0]! + a[1]! - b[0]! - b[1]!)[0]!
    }
    const [api, store] = await measure(i => `${path}/bench-${(i * 7) % objects}`, requests)
    const [listApi, listStore] = await measure(() => `${path}?limit=100`, requests / 20)
    for (const socket of sockets) socket.destroy()
    return [
      {
        name: 'an object read through authentication, RBAC and etcd: CPU of both',
        value: api! + store!,
        unit: 'µs',
        target: '≤ 250 µs',
        baseline: `kube-apiserver ${api!.toFixed(0)}, etcd ${store!.toFixed(0)}`,
      },
      {
        name: 'a list of 100: CPU of both',
        value: listApi! + listStore!,
        unit: 'µs',
        baseline: `kube-apiserver ${listApi!.toFixed(0)}, etcd ${listStore!.toFixed(0)}`,
      },
      { name: 'from fork to ready on an empty store, unbundled', value: startMs, unit: 'ms' },
    ]
  } finally {
    for (const child of children.reverse()) {
      child.kill()
      if (child.exitCode === null) await once(child, 'exit')
    }
    rmSync(work, { recursive: true, force: true })
  }
}

function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

/** As kubernetes-super-admin's lesser sibling: admin.conf's user, who may by RBAC alone. */
async function dial(port: number, work: string): Promise<TLSSocket> {
  const kubeconfig = readFileSync(join(work, 'admin.conf'), 'utf8')
  const data = (field: string) =>
    Buffer.from(new RegExp(`${field}: ["']?([A-Za-z0-9+/=]+)`).exec(kubeconfig)![1]!, 'base64')
  const socket = connect({
    host: '127.0.0.1',
    port,
    ca: data('certificate-authority-data'),
    cert: data('client-certificate-data'),
    key: data('client-key-data'),
    ALPNProtocols: ['http/1.1'],
  })
  await once(socket, 'secureConnect')
  return socket.setNoDelay(true) as TLSSocket
}

function exchange(socket: TLSSocket, method: string, path: string, body = ''): Promise<void> {
  return new Promise((resolve, reject) => {
    let head = ''
    let rest = -1
    const finish = (error?: Error) => {
      socket.off('data', onData).off('error', finish)
      if (error) reject(error)
      else resolve()
    }
    const onData = (chunk: Buffer) => {
      if (rest === -1) {
        head += chunk.toString('latin1')
        const end = head.indexOf('\r\n\r\n')
        if (end === -1) return
        if (!/^HTTP\/1.1 20/.test(head)) return finish(new Error(head))
        rest = Number(/content-length: *(\d+)/i.exec(head)?.[1]) - (head.length - end - 4)
      } else rest -= chunk.length
      if (rest <= 0) finish()
    }
    socket.on('data', onData).on('error', finish)
    socket.write(
      `${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    )
  })
}

if (process.argv[2] === 'serve')
  process.exitCode = await runComponent(process.argv[3] as ComponentName, process.argv.slice(4))
