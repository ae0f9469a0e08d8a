/** A process for run.test.ts: a component that listens on `--port`, refuses to start with `--broken`, and fails by itself with `--fail`. */
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { Component } from '#components/component.ts'
import { commonFlags, parseFlags } from '#components/flags.ts'
import { runComponent } from '#components/run.ts'

const flags = [
  ...commonFlags,
  { name: 'port', kind: 'int', description: 'where to listen', default: '0' },
  { name: 'broken', kind: 'bool', description: 'do not start', default: 'false' },
  { name: 'fail', kind: 'bool', description: 'fail after the start', default: 'false' },
  { name: 'old', kind: 'string', description: 'accepted', acted: false },
] as const

const component: Component = {
  name: 'kube-scheduler',
  summary: 'A component for tests.',
  flags,
  logFormat: 'kubernetes',
  async start(argv, { clock, voice, records }) {
    const { values } = parseFlags('kube-scheduler', flags, argv)
    if (values.broken) throw new Error('open /nowhere/ca.crt: no such file or directory')
    const server = createServer().listen(values.port, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    const time = clock.now().toISOString()
    const handshake = { handshake: '00', observer: 'kube-scheduler', end: 'server' as const, to: voice }
    records.write({ ...handshake, time, address: '127.0.0.1:1', port, outcome: 'ok' })
    return {
      addresses: { secure: { host: '127.0.0.1', port } },
      failed: values.fail ? Promise.resolve(new Error('leaderelection lost')) : new Promise(() => {}),
      stop: async () => void server.close(),
    }
  },
}

process.exitCode = await runComponent('kube-scheduler', process.argv.slice(2), async () => component)
