/** A real etcd that asks for client certificates, alone and without data. */
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import type { Test } from 'tap'
import { request } from 'undici'
import type { dialerTo, Issued } from '../tls/mesh.ts'

const freePort = () =>
  new Promise<number>(resolve => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })

export interface EtcdFiles {
  serves: Issued
  /** PEM, as it is in the file. */
  trusts: string
  crl?: string | undefined
}

/** A real etcd with `--client-cert-auth`, and what it logs. */
export async function startEtcd(t: Test, etcd: string, { serves: cert, trusts, crl }: EtcdFiles) {
  const dir = t.testdir({ 'ca.crt': trusts, 'server.crt': cert.cert, ...(crl === undefined ? {} : { 'ca.crl': crl }) })
  writeFileSync(join(dir, 'server.key'), cert.key, { mode: 0o600 })
  const [port, peerPort] = await Promise.all([freePort(), freePort()])
  const peer = `http://127.0.0.1:${peerPort}`
  const child = spawn(
    etcd,
    [
      `--data-dir=${join(dir, 'data')}`,
      `--listen-client-urls=https://127.0.0.1:${port}`,
      `--advertise-client-urls=https://127.0.0.1:${port}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=default=${peer}`,
      `--cert-file=${join(dir, 'server.crt')}`,
      `--key-file=${join(dir, 'server.key')}`,
      `--trusted-ca-file=${join(dir, 'ca.crt')}`,
      '--client-cert-auth',
      ...(crl === undefined ? [] : [`--client-crl-file=${join(dir, 'ca.crl')}`]),
      '--logger=zap',
      '--log-level=warn',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  t.teardown(
    () =>
      new Promise<void>(resolve => {
        child.once('close', () => resolve())
        child.kill('SIGKILL')
      }),
  )
  let log = ''
  const waiting = new Set<() => void>()
  child.stderr.setEncoding('utf8').on('data', chunk => {
    log += chunk
    for (const wake of waiting) wake()
  })
  /** Resolves when the log holds `text`. */
  const logged = (text: string) =>
    new Promise<void>(resolve => {
      const look = () => {
        if (!log.includes(text)) return
        waiting.delete(look)
        resolve()
      }
      waiting.add(look)
      look()
    })
  return { port, logged, log: () => log }
}

/** Asks until it listens. */
export async function health(port: number, dialer: ReturnType<typeof dialerTo>['dialer']) {
  for (;;) {
    try {
      return await request(`https://127.0.0.1:${port}/health`, { dispatcher: dialer.agent })
    } catch (error) {
      if (!/connection refused/.test((error as Error).message)) throw error
      await new Promise(resolve => setTimeout(resolve, 50))
    }
  }
}
