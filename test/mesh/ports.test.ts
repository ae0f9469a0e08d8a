import { createServer } from 'node:net'
import t from 'tap'
import { choosePorts, defaultPorts, parsePorts } from '../../src/mesh/ports.ts'

t.test('random ports are free, all different, and outside the ephemeral and NodePort ranges', async t => {
  const { ports, release } = await choosePorts('random')
  t.teardown(release)
  const values = Object.values(ports)
  t.strictSame(Object.keys(ports), Object.keys(defaultPorts))
  t.equal(new Set(values).size, values.length)
  t.ok(values.every(port => port >= 20_000 && port < 30_000))
})

t.test('many meshes that choose at once never get the same ports', async t => {
  const chosen = await Promise.all(Array.from({ length: 20 }, () => choosePorts('random')))
  t.teardown(() => {
    for (const { release } of chosen) release()
  })
  const all = chosen.flatMap(({ ports }) => Object.values(ports))
  t.equal(new Set(all).size, all.length)
})

t.test('a taken port is an error that names it and who has it', async t => {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const { port } = server.address() as { port: number }
  const free = await choosePorts('random')
  free.release()
  const wanted = { ...free.ports, etcd: port }
  await t.rejects(choosePorts(wanted), {
    code: 'TP_PORT_IN_USE',
    message:
      process.platform === 'linux'
        ? new RegExp(`^port ${port} \\(etcd\\) is in use by node.* \\(pid ${process.pid}\\)$`)
        : /port/,
    fix: /--ports random/,
  })
})

t.test('all taken ports are named at once', async t => {
  const { ports, release } = await choosePorts('random')
  release()
  const servers = await Promise.all(
    [ports.etcd, ports.kubelet].map(
      port =>
        new Promise<ReturnType<typeof createServer>>(resolve => {
          const server = createServer().listen(port, '127.0.0.1', () => resolve(server))
        }),
    ),
  )
  t.teardown(() => {
    for (const server of servers) server.close()
  })
  await t.rejects(choosePorts(ports), { message: /\(etcd\)[^\n]*\n[^\n]*\(kubelet\)/ })
})

t.test('kubelets after the first have an address of their own', async t => {
  const { host, release } = await choosePorts('random')
  t.teardown(release)
  t.strictSame([0, 1, 2].map(host), ['127.0.0.1', '127.0.0.2', '127.0.0.3'])
})

t.test('--ports', async t => {
  t.equal(parsePorts('kubernetes'), 'kubernetes')
  t.equal(parsePorts('random'), 'random')
  t.strictSame(parsePorts('etcd=12379,kube-apiserver=16443'), { etcd: 12379, 'kube-apiserver': 16443 })
  t.throws(() => parsePorts('radnom'), { code: 'TP_USAGE', fix: 'did you mean random?' })
  t.throws(() => parsePorts('etcd=99999'), { code: 'TP_USAGE', message: /1 to 65535/ })
  t.throws(() => parsePorts('etcdd=1'), { code: 'TP_USAGE', fix: 'did you mean etcd?' })
  t.throws(() => parsePorts('etcd'), { code: 'TP_USAGE' })
})
