/** A real etcd takes and refuses each faulty client certificate as the table says that its Go does, by the alert that its Go sends. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import t from 'tap'
import { dialWithEach } from '#endpoints/against.ts'
import { certificateFixture, createAuthority } from '#endpoints/fixture.ts'
import { voiceOf } from './etcd-servers.ts'
import { program } from './programs.ts'

const etcd = program('etcd')
t.setTimeout(120_000)

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

t.test('a real etcd judges faulty client certificates as Go does', { skip: etcd.skip }, async t => {
  const authority = await createAuthority()
  const own = await certificateFixture('good', { authority })
  const revoked = await certificateFixture('revoked', { authority, side: 'client' })
  const files = { 'server.crt': own.chain, 'server.key': own.key, 'ca.crt': authority.cert, 'crl.pem': revoked.crl! }
  const dir = t.testdir(files)
  const file = (name: string) => join(dir, name)
  const [port, peer] = [await freePort(), await freePort()]
  const flags = [
    `--data-dir=${file('data')}`,
    `--listen-client-urls=https://127.0.0.1:${port}`,
    `--advertise-client-urls=https://127.0.0.1:${port}`,
    `--listen-peer-urls=http://127.0.0.1:${peer}`,
    `--initial-advertise-peer-urls=http://127.0.0.1:${peer}`,
    `--initial-cluster=default=http://127.0.0.1:${peer}`,
    `--cert-file=${file('server.crt')}`,
    `--key-file=${file('server.key')}`,
    '--client-cert-auth',
    `--trusted-ca-file=${file('ca.crt')}`,
    `--client-crl-file=${file('crl.pem')}`,
  ]
  const child = spawn(etcd.path, flags, { stdio: ['ignore', 'ignore', 'pipe'] })
  t.teardown(async () => {
    child.kill()
    if (child.exitCode === null) await once(child, 'exit')
  })
  const log = createInterface({ input: child.stderr })
  for await (const line of log)
    if (/ready to serve client requests|serving client requests|serving client traffic/.test(line)) break
  child.stderr.resume()
  const { results, problem } = await dialWithEach({
    host: 'localhost',
    port,
    ca: own.ca,
    authority,
    clients: [revoked],
    path: '/health',
    voice: voiceOf(etcd.path),
  })
  t.equal(problem, undefined)
  t.ok(results.length > 15)
  for (const { name, go, seen, how, alert, goAlert, comparison } of results) {
    if (name === 'revoked') t.match({ seen, how }, { seen: 'refused', how: 'close' }, name)
    else if (go !== 'either') t.equal(comparison, 'as Go', name)
    if (alert) t.equal(alert.code, goAlert, `${name}: by its alert`)
  }
})
