import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { startEndpoint } from '#endpoints/endpoint.ts'
import { trustplane } from './harness.ts'

t.test('--list shows every defect; as JSON with what Go says', async t => {
  const listed = await trustplane('badtls', '--list')
  t.equal(listed.status, 0)
  t.match(listed.stdout, /^expired +both +expired +its notAfter has passed$/m)
  const { items } = JSON.parse((await trustplane('badtls', '--list', '-o', 'json')).stdout)
  t.match(
    items.find(({ name }: { name: string }) => name === 'expired'),
    { kind: 'certificate', side: 'both', reason: 'expired', text: /^x509: certificate has expired/ },
  )
})

/** A CA that servers can be told to trust before they start, and how `--against` goes with one. */
async function against(
  t: Pick<Test, 'testdir' | 'equal'>,
  start: (ca: string) => Promise<{ port: number; ca: string }>,
  ...more: string[]
) {
  const dir = t.testdir({})
  // the first run writes the CA, to nobody
  t.equal((await trustplane('badtls', '--against', 'localhost:1', '--ca', writeCa(dir, ''), '--dir', dir)).status, 2)
  const { port, ca } = await start(readFileSync(join(dir, 'badtls/ca.crt'), 'utf8'))
  const ran = await trustplane(
    'badtls',
    '--against',
    `localhost:${port}`,
    '--ca',
    writeCa(dir, ca),
    '--dir',
    dir,
    '-o',
    'json',
    ...more,
  )
  return { ...ran, document: JSON.parse(ran.stdout), dir }
}

function writeCa(dir: string, ca: string): string {
  const file = join(dir, 'server-ca.crt')
  writeFileSync(file, ca)
  return file
}

t.test('a server that judges as Go does: exit 0, each refused by the alert that Go sends', async t => {
  const { status, document, dir } = await against(t, async clientCa => {
    const endpoint = await startEndpoint({ clientAuth: 'require', clientCa })
    t.teardown(() => endpoint.stop())
    return endpoint
  })
  t.equal(status, 0)
  t.ok(document.items.length > 15)
  for (const { name, go, seen, alert, goAlert, comparison } of document.items) {
    if (go === 'refused')
      t.match({ seen, comparison, code: alert.code }, { seen: 'refused', comparison: 'as Go', code: goAlert }, name)
  }
  t.equal(statSync(join(dir, 'badtls/ca.key')).mode & 0o777, 0o600)
  t.equal(statSync(join(dir, 'badtls/client/expired.key')).mode & 0o777, 0o600)
})

t.test('a server that answers 401 refuses, too: exit 0', async t => {
  const { status, document } = await against(
    t,
    async clientCa => {
      const endpoint = await startEndpoint({ clientAuth: 'request', clientCa })
      t.teardown(() => endpoint.stop())
      return endpoint
    },
    '--only',
    'expired',
  )
  t.equal(status, 0)
  t.match(document.items, [
    { name: 'good', status: 200 },
    { name: 'expired', seen: 'refused', how: 'http', status: 401 },
  ])
})

t.test("Node's own server takes a certificate that Go cannot parse: exit 1", async t => {
  const { status, document, stderr } = await against(
    t,
    async ca => {
      const endpoint = await startEndpoint()
      await endpoint.stop()
      const { chain: cert, key } = endpoint.certificate
      const server = createServer({ cert, key, ca, requestCert: true, rejectUnauthorized: true }, (_, response) =>
        response.end(),
      )
      await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
      t.teardown(() => server.close())
      return { port: (server.address() as { port: number }).port, ca: endpoint.ca }
    },
    '--only',
    'malformed,expired,rsa-1024',
  )
  t.equal(status, 1)
  t.match(document.items, [
    { name: 'good', comparison: 'as Go' },
    { name: 'expired', seen: 'refused', how: 'close' },
    { name: 'rsa-1024', comparison: 'stricter' },
    { name: 'malformed', seen: 'accepted', comparison: 'laxer' },
  ])
  t.match(stderr, /1 accepted that Go refuses, 1 refused that Go accepts/)
})

t.test('a server with the list that was written refuses the revoked one, run after run', async t => {
  const dir = t.testdir({ 'server-ca.crt': '' })
  await trustplane('badtls', '--against', 'localhost:1', '--ca', join(dir, 'server-ca.crt'), '--dir', dir)
  const read = (name: string) => readFileSync(join(dir, 'badtls', name), 'utf8')
  const endpoint = await startEndpoint({ clientAuth: 'require', clientCa: read('ca.crt'), crl: read('crl.pem') })
  t.teardown(() => endpoint.stop())
  const words = ['--against', `localhost:${endpoint.port}`, '--only', 'revoked', '-o', 'json', '--dir', dir]
  for (let run = 1; run <= 2; run++) {
    const { status, stdout } = await trustplane('badtls', ...words, '--ca', writeCa(dir, endpoint.ca))
    t.equal(status, 0)
    t.match(JSON.parse(stdout).items[1], { name: 'revoked', seen: 'refused', how: 'close', comparison: 'either' })
  }
})

t.test('what cannot be judged is exit 2, and says what to do', async t => {
  const endpoint = await startEndpoint({ clientAuth: 'require' })
  t.teardown(() => endpoint.stop())
  const dir = t.testdir({ 'server-ca.crt': endpoint.ca })
  const target = ['--against', `localhost:${endpoint.port}`, '--dir', dir]
  const untrusted = await trustplane('badtls', ...target, '--ca', join(dir, 'server-ca.crt'))
  t.equal(untrusted.status, 2)
  t.match(untrusted.stderr, /refuses a good client certificate, too[\s\S]*that CA: .*badtls\/ca\.crt/)
  const wrongCa = await trustplane('badtls', ...target, '--ca', join(dir, 'badtls/ca.crt'))
  t.equal(wrongCa.status, 2)
  t.match(wrongCa.stderr, /the server's own certificate is refused[\s\S]*--ca/)
})

t.test('bad input is named before anything is dialled or written', async t => {
  const dir = t.testdir({ badtls: { 'ca.crt': 'nothing', 'ca.key': 'nothing' } })
  t.match(await trustplane('badtls', '--against', 'localhost:1', '--dir', dir), { status: 2, stderr: /needs --ca/ })
  t.match(await trustplane('badtls', '--against', 'nowhere', '--dir', dir), { status: 2, stderr: /HOST:PORT/ })
  t.match(await trustplane('badtls', '--dir', dir), { status: 3, stderr: /the CA in .* cannot be used/ })
  t.match(await trustplane('badtls', '--only', 'expird', '--port', '0', '--dir', t.testdir({})), {
    status: 2,
    stderr: /did you mean expired\?/,
  })
})

t.test('it serves until it is told to stop', async t => {
  const dir = t.testdir({})
  const bin = fileURLToPath(new URL('../../bin/trustplane.js', import.meta.url))
  const words = ['badtls', '--port', '0', '--only', 'good,expired', '-o', 'json', '--dir', dir]
  const child = spawn(process.execPath, [bin, ...words], {
    env: { PATH: process.env.PATH },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let text = ''
  child.stdout.on('data', chunk => (text += chunk))
  for await (const line of createInterface({ input: child.stderr })) if (/serve/.test(line)) break
  const { ca, items } = JSON.parse(text)
  t.match(items, [{ name: 'good' }, { name: 'expired', byName: /^https:\/\/expired\.badtls\.localhost:/ }])
  t.match(readFileSync(ca, 'utf8'), /BEGIN CERTIFICATE/)
  child.kill('SIGTERM')
  const [code] = await once(child, 'exit')
  t.equal(code, 143)
})
