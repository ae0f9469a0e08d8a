/** A wire that garbles: every handshake ends, is recorded, and lets nothing through that was not judged. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import t from 'tap'
import { RefusedError, UnreachableError } from '#tls/errors.ts'
import { dialerTo, startListener, throwawayPki } from './mesh.ts'

const pki = throwawayPki()
const rounds = Number(process.env.TRUSTPLANE_FUZZ_ROUNDS ?? 150)

/** Deterministic, so that a failure comes again (mulberry32). */
function generator(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let x = Math.imul(state ^ (state >>> 15), 1 | state)
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32
  }
}

for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
  t.test(`a wire that garbles one byte or cuts (${maxVersion})`, async t => {
    const { listener, records } = await startListener(t, pki, { maxVersion, handshakeTimeoutMs: 500 })
    listener.on('connection', socket => socket.on('error', () => {}).end('hello'))
    let random = generator(1)
    const proxy = createServer(client => {
      const server = connect(listener.address)
      const position = { client: Math.floor(random() * 2500), server: Math.floor(random() * 2500) }
      const victim = random() < 0.5 ? 'client' : 'server'
      const cuts = random() < 0.2
      for (const [name, from, to] of [
        ['client', client, server],
        ['server', server, client],
      ] as const) {
        let at = 0
        from.on('data', chunk => {
          const hit = position[name] - at
          at += chunk.length
          if (name === victim && hit >= 0 && hit < chunk.length) {
            if (cuts) {
              to.end(chunk.subarray(0, hit))
              return
            }
            chunk[hit] = chunk[hit]! ^ (1 << Math.floor(random() * 8))
          }
          to.write(chunk)
        })
        from.on('end', () => to.end())
        from.on('error', () => to.destroy())
        from.on('close', () => to.destroy())
      }
    })
    proxy.listen(0, '127.0.0.1')
    await once(proxy, 'listening')
    t.teardown(() => proxy.close())
    const target = { host: '127.0.0.1', port: (proxy.address() as AddressInfo).port }
    const { dialer, records: clientRecords } = dialerTo(t, pki, { maxVersion, handshakeTimeoutMs: 1000 })
    const odd: unknown[] = []
    let through = 0
    for (let round = 0; round < rounds; round++) {
      random = generator(round)
      try {
        const socket = await dialer.connect(target)
        through++
        socket.resume()
        if (!socket.closed) await new Promise(resolve => socket.once('close', resolve))
      } catch (error) {
        if (!(error instanceof RefusedError || error instanceof UnreachableError)) odd.push(error)
      }
    }
    t.strictSame(odd, [], 'every failure is one of the two')
    t.ok(through > 0 && through < rounds, `${through} of ${rounds} were through, as far as the client knew`)
    t.ok(clientRecords.records.length >= rounds, 'and every one is recorded')
    for (const { outcome, peer } of records.records) {
      if (outcome === 'ok' && peer?.[0]?.subject !== 'CN=client') t.fail('somebody else was let in')
    }
    t.equal(
      clientRecords.records.filter(({ outcome, peer }) => outcome === 'ok' && peer?.[0]?.subject !== 'CN=server')
        .length,
      0,
    )
  })
}
