import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test as Tap } from 'tap'
import { disagreements } from '../../src/mesh/agreement.ts'
import { connections } from '../../src/mesh/connections.ts'
import { stopMesh } from '../../src/mesh/down.ts'
import { type MeshOptions, startMesh } from '../../src/mesh/launcher.ts'
import type { Mesh } from '../../src/mesh/mesh.ts'
import { choosePorts } from '../../src/mesh/ports.ts'
import { isAlive, type MeshState, readState } from '../../src/mesh/state.ts'

// whole meshes, and the machine may be busy
t.setTimeout(300_000)

const child = fileURLToPath(new URL('../../src/mesh/child.ts', import.meta.url))

async function mesh(t: Tap, options: MeshOptions = {}): Promise<Mesh> {
  const started = await startMesh({ isolation: 'in-process', ...options })
  t.teardown(() => started.stop())
  return started
}

/** `trustplane up` as a process; resolves when every connection was dialled. */
async function up(t: Tap, dir: string, ...flags: string[]) {
  const launcher = spawn(process.execPath, [child, 'cli', 'up', '--ports', 'random', '--dir', dir, ...flags], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_OPTIONS: undefined },
  })
  t.teardown(async () => {
    launcher.kill('SIGKILL')
    await stopMesh(dir).catch(() => {})
  })
  let stderr = ''
  const green = new Promise<void>((resolve, reject) => {
    launcher.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk
      if (/connections are well/.test(stderr)) resolve()
    })
    launcher.once('exit', code => reject(new Error(`up ended with ${code}: ${stderr}`)))
  })
  await green
  return { launcher, state: readState(dir)!, said: () => stderr }
}

const processes = ({ launcher, components }: MeshState) => [
  launcher,
  ...components.map(({ pid, began }) => ({ pid: pid!, began })),
]

const until = async (what: () => boolean) => {
  while (!what()) await new Promise(resolve => setTimeout(resolve, 20))
}

const answers = (port: number) =>
  new Promise<boolean>(resolve => {
    const socket = connect({ port, host: '127.0.0.1' })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })

const anyPort = async ({ ports }: MeshState) => (await Promise.all(Object.values(ports).map(answers))).some(Boolean)

t.test('a mesh in this process: every connection is well, as predicted, and nothing stays behind', async t => {
  const started = await mesh(t)
  t.strictSame(
    started.members.filter(({ state }) => state !== 'running').map(({ id, words }) => `${id}: ${words}`),
    [],
  )
  const seen = await started.probe()
  t.strictSame(
    seen.filter(({ outcome }) => outcome !== 'ok').map(({ from, to, message }) => `${from} -> ${to}: ${message}`),
    [],
  )
  t.strictSame(disagreements(started.predict(), seen), [])
  for (const { from, to, client, server, handshake } of seen) {
    t.equal(client?.handshake, handshake, `${from} -> ${to}: the client's record`)
    t.equal(server?.handshake, handshake, `${from} -> ${to}: the server's record`)
  }
  t.equal(started.status().filter(({ outcome }) => outcome === 'ok').length, connections.length)
  t.match(
    readFileSync(started.kubeconfig, 'utf8'),
    `server: https://127.0.0.1:${started.layout.ports['kube-apiserver']}`,
  )
  const { state, dir } = started
  await started.stop()
  t.notOk(existsSync(dir), 'the temporary directory is gone')
  t.notOk(await anyPort(state), 'no port answers')
})

t.test('two meshes at once do not meet', async t => {
  const both = await Promise.all([mesh(t), mesh(t)])
  for (const one of both) {
    t.strictSame(
      (await one.probe()).filter(({ outcome }) => outcome !== 'ok'),
      [],
    )
  }
})

t.test('`await using` stops it', async t => {
  let dir = ''
  {
    await using started = await startMesh({ isolation: 'in-process' })
    dir = started.dir
    t.ok(existsSync(dir))
  }
  t.notOk(existsSync(dir))
})

t.test('a directory that has been used starts again, on other ports, with the same certificates', async t => {
  const dir = t.testdir()
  const first = await mesh(t, { dir })
  const certificate = readFileSync(join(dir, 'pki/apiserver.crt'), 'utf8')
  const { ports } = first.layout
  await first.stop()
  const second = await mesh(t, { dir })
  t.not(second.layout.ports.etcd, ports.etcd)
  t.equal(readFileSync(join(dir, 'pki/apiserver.crt'), 'utf8'), certificate)
  t.strictSame(
    (await second.probe()).filter(({ outcome }) => outcome !== 'ok'),
    [],
  )
})

t.test('a taken port is an error before anything runs', async t => {
  const holder = await choosePorts('random')
  holder.release()
  const first = await mesh(t, { ports: holder.ports })
  await t.rejects(startMesh({ isolation: 'in-process', ports: { ...holder.ports } }), { code: 'TP_PORT_IN_USE' })
  t.ok(first.members.every(({ state }) => state === 'running'))
})

t.test('a directory in which a mesh runs is refused to the next', async t => {
  const dir = t.testdir()
  await mesh(t, { dir })
  await t.rejects(startMesh({ dir, isolation: 'in-process' }), { code: 'TP_ALREADY_RUNNING' })
})

t.test('as processes', async t => {
  await t.test('`down` leaves no process and no port behind', async t => {
    const dir = t.testdir()
    const { launcher, state } = await up(t, dir)
    t.ok(processes(state).every(isAlive))
    const exited = once(launcher, 'exit')
    await stopMesh(dir)
    t.strictSame(await exited, [143, null])
    t.notOk(processes(state).some(isAlive))
    t.notOk(await anyPort(state))
    t.equal(readState(dir), undefined)
    await t.rejects(stopMesh(dir), { code: 'TP_NOT_RUNNING' })
  })

  await t.test('neither does Ctrl-C', async t => {
    const { launcher, state } = await up(t, t.testdir())
    launcher.kill('SIGINT')
    t.strictSame(await once(launcher, 'exit'), [130, null])
    t.notOk(processes(state).some(isAlive))
    t.notOk(await anyPort(state))
  })

  await t.test('neither does kill -9 of the launcher; what it leaves in the directory is found stale', async t => {
    const dir = t.testdir()
    const { launcher, state } = await up(t, dir)
    launcher.kill('SIGKILL')
    await until(() => !processes(state).some(isAlive))
    t.notOk(await anyPort(state))
    t.match(await stopMesh(dir), { stale: true, pids: [] })
  })

  await t.test('a component that is killed is shown as dead, and with --restart comes back', async t => {
    const dir = t.testdir()
    const { state, said } = await up(t, dir, '--restart')
    const victim = state.components.find(({ id }) => id === 'kube-scheduler')!
    process.kill(victim.pid!, 'SIGKILL')
    await until(() => /kube-scheduler is dead[\s\S]*killed by SIGKILL/.test(said()))
    await until(() => /kube-scheduler is running \(started again 1 times\)/.test(said()))
    const again = readState(dir)!.components.find(({ id }) => id === 'kube-scheduler')!
    t.not(again.pid, victim.pid)
    t.match(again, { state: 'running', restarts: 1 })
  })
})
