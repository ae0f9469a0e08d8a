import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { defaultPorts } from '../../src/mesh/ports.ts'
import {
  apiVersion,
  claimState,
  isAlive,
  type MeshState,
  readState,
  removeState,
  requireRunning,
  runningState,
  thisProcess,
  writeState,
} from '../../src/mesh/state.ts'

const state = (launcher = thisProcess()): MeshState => ({
  apiVersion,
  kind: 'Mesh',
  launcher,
  plan: 'kubeadm',
  changes: {},
  startedAt: '2026-11-24T12:00:00.000Z',
  clockOffsetMs: 0,
  voice: 'go1.24',
  host: '127.0.0.1',
  nodes: [{ name: 'node-1', address: '127.0.0.1' }],
  ports: { ...defaultPorts },
  components: [],
})

t.test('what was written is read again, and nothing else lies beside it', async t => {
  const dir = t.testdir()
  writeState(dir, state())
  t.match(readState(dir), { kind: 'Mesh', plan: 'kubeadm' })
  t.strictSame(readdirSync(dir), ['mesh.json'])
  removeState(dir)
  t.equal(readState(dir), undefined)
})

t.test('a mesh whose launcher lives is running', async t => {
  const dir = t.testdir()
  writeState(dir, state())
  t.ok(runningState(dir))
  t.doesNotThrow(() => requireRunning(dir))
})

t.test('a mesh whose launcher has died is not, and neither is one whose pid is somebody else’s by now', async t => {
  const dir = t.testdir()
  const child = spawn(process.execPath, ['-e', ''])
  await once(child, 'exit')
  writeState(dir, state({ pid: child.pid!, began: 'then' }))
  t.equal(runningState(dir), undefined)
  writeState(dir, state({ pid: process.pid, began: 'long ago' }))
  t.equal(runningState(dir), undefined, { skip: process.platform !== 'linux' && 'only Linux tells when a pid began' })
  t.throws(() => requireRunning(dir), { code: 'TP_NOT_RUNNING', fix: /trustplane up/ })
})

t.test('a directory is one launcher’s: the second gets an error, a stale file is taken over', async t => {
  const dir = t.testdir()
  t.equal(claimState(dir, state()), undefined)
  t.throws(() => claimState(dir, state()), { code: 'TP_ALREADY_RUNNING', fix: /trustplane down/ })
  const child = spawn(process.execPath, ['-e', ''])
  await once(child, 'exit')
  writeState(dir, state({ pid: child.pid!, began: undefined }))
  t.match(claimState(dir, state()), { launcher: { pid: child.pid } })
  t.equal(readState(dir)?.launcher.pid, process.pid)
})

t.test('a file that is no mesh.json says so', async t => {
  const dir = t.testdir()
  for (const text of ['{"a":1}', 'not JSON', '']) {
    writeFileSync(join(dir, 'mesh.json'), text)
    t.throws(() => readState(dir), { code: 'TP_INPUT_INVALID', fix: /delete it/ }, JSON.stringify(text))
  }
})

t.test('a process that ended is not alive, also while its parent has not looked yet', async t => {
  const child = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60000)'])
  t.ok(isAlive({ pid: child.pid! }))
  child.kill('SIGKILL')
  await once(child, 'exit')
  t.notOk(isAlive({ pid: child.pid!, began: '1' }))
})
