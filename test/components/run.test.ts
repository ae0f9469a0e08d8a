import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'

const script = fileURLToPath(new URL('./run-child.ts', import.meta.url))

interface Message {
  type: string
  addresses?: { secure: { host: string; port: number } }
  message?: string
  code?: string
}

function start(t: Test, argv: string[], env: Record<string, string> = {}) {
  const child = fork(script, argv, { silent: true, env: { PATH: process.env.PATH, ...env } })
  t.teardown(() => child.kill('SIGKILL'))
  const message = once(child, 'message').then(([message]) => message as Message)
  const stderr = text(child.stderr!)
  const stdout = text(child.stdout!)
  const exit = once(child, 'exit').then(([code]) => code as number | null)
  return { child, message, stderr, stdout, exit }
}

const endings: { name: string; act(child: ChildProcess): void }[] = [
  { name: 'SIGTERM', act: child => child.kill('SIGTERM') },
  { name: 'SIGINT', act: child => child.kill('SIGINT') },
  { name: "the launcher's channel closing", act: child => child.disconnect() },
]
for (const { name, act } of endings) {
  t.test(`${name} ends a component with status 0`, async t => {
    const { child, message, exit } = start(t, [])
    t.match(await message, { type: 'ready', addresses: { secure: { host: '127.0.0.1', port: Number } } })
    act(child)
    t.equal(await exit, 0)
  })
}

t.test('a component that waits starts with the command line that the launcher sends', async t => {
  const { child, message, exit, stderr } = start(t, [], { TRUSTPLANE_WAIT: '1' })
  child.send({ type: 'start', argv: ['--old=x', '--port=0'] })
  const { addresses } = await message
  child.kill('SIGTERM')
  t.equal(await exit, 0)
  const lines = (await stderr)
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  t.match(lines, [
    { msg: 'flags accepted but not acted on', flags: '--old' },
    { msg: 'ready', addresses: { secure: `127.0.0.1:${addresses!.secure.port}` } },
  ])
})

t.test('a component that waits and never gets a command line ends with status 0', async t => {
  const { child, exit } = start(t, [], { TRUSTPLANE_WAIT: '1' })
  child.disconnect()
  t.equal(await exit, 0)
})

t.test('clock, voice and state directory come from the environment, and flags win', async t => {
  const dir = t.testdir()
  const env = { TRUSTPLANE_STATE_DIR: dir, TRUSTPLANE_CLOCK_OFFSET: '365d', TRUSTPLANE_VOICE: 'go1.24' }
  const { child, message, exit } = start(t, ['--voice=go1.19'], env)
  await message
  child.kill('SIGTERM')
  await exit
  const record = JSON.parse(readFileSync(join(dir, 'connections/kube-scheduler.jsonl'), 'utf8'))
  t.equal(record.to, 'go1.19')
  t.ok(Date.parse(record.time) - Date.now() > 364 * 86_400_000, 'by the moved clock')
})

t.test('a component that cannot start says why to stderr and to the launcher, and ends with status 1', async t => {
  const { message, exit, stderr } = start(t, ['--broken'])
  t.strictSame(await message, { type: 'failed', message: 'open /nowhere/ca.crt: no such file or directory' })
  t.equal(await exit, 1)
  t.match(JSON.parse(await stderr), { msg: 'command failed', err: 'open /nowhere/ca.crt: no such file or directory' })
})

t.test('an unknown flag is named with the nearest known one', async t => {
  const { message, exit, stderr } = start(t, ['--prt=1'])
  t.match(await message, { type: 'failed', code: 'TP_FLAG_UNKNOWN' })
  t.equal(await exit, 1)
  t.equal(await stderr, 'Error: unknown flag: --prt\nfix: did you mean --port?\n')
})

t.test('a port in use is named with who has it', async t => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as { port: number }
  const { message, exit, stderr } = start(t, [`--port=${port}`])
  t.match(await message, {
    code: 'TP_PORT_IN_USE',
    message: `listen tcp 127.0.0.1:${port}: bind: address already in use`,
  })
  t.equal(await exit, 1)
  t.match(await stderr, new RegExp(`fix: port ${port} is in use`))
  if (process.platform === 'linux') t.match(await stderr, new RegExp(`pid ${process.pid}\\)`))
})

t.test('a component that fails by itself ends with status 1 and its last words', async t => {
  const { child, exit, stderr } = start(t, ['--fail'])
  const messages: Message[] = []
  child.on('message', message => messages.push(message as Message))
  t.equal(await exit, 1)
  t.match(messages.at(-1), { type: 'failed', message: 'leaderelection lost' })
  t.match(await stderr, /leaderelection lost/)
})

t.test('--help prints the flags of the original and our own', async t => {
  const { exit, stdout } = start(t, ['--help'])
  t.equal(await exit, 0)
  t.match(await stdout, /A component for tests\.[\s\S]*--port int[\s\S]*trustplane's own[\s\S]*--clock-offset/)
})

t.test('--version says whose behaviour it shows, as the original does', async t => {
  const { exit, stdout } = start(t, ['--version'])
  t.equal(await exit, 0)
  t.match(await stdout, /^Kubernetes v1\.\d+\.\d+\n$/)
})
