/** A Go 1.24 server fails over a session ticket that its client's chain makes too long; we send none, and fail where it does. */
import { once } from 'node:events'
import { connect } from 'node:tls'
import t, { type Test } from 'tap'
import type { ListenOptions } from '#tls/types.ts'
import { createAuthority, extension, issueCertificate } from '../x509/authority.ts'
import { startListener, throwawayPki } from './mesh.ts'

const pki = throwawayPki()
const root = createAuthority({ commonName: 'root' })
const large = extension('1.3.6.1.4.1.55555.1', false, Buffer.alloc(10_000))

/** A client whose chain has this many certificates of 10 kB. */
function clientOf(count: number) {
  let issuer = root
  const chain: string[] = []
  for (let i = 0; i < count; i++) {
    issuer = createAuthority({ commonName: `ca-${i}`, issuer, extensions: [large] })
    chain.unshift(issuer.pem)
  }
  const leaf = issueCertificate(issuer, { usages: ['clientAuth'] })
  return { cert: leaf.pem + chain.join(''), key: leaf.keyPem }
}

async function outcome(t: Test, count: number, options: Partial<ListenOptions>) {
  const { listener } = await startListener(t, pki, { trusts: root.pem, ...options })
  const socket = connect({
    ...listener.address,
    ...clientOf(count),
    ca: pki.ca.cert,
  })
  socket.on('error', () => {})
  const said = await Promise.race([
    once(listener, 'refused').then(([{ message, record }]) => ({ message, alert: record.alert })),
    once(listener, 'connection').then(() => 'accepted'),
  ])
  socket.destroy()
  return said
}

t.test('a chain that goes into a ticket twice is refused from half of 64 kB on, without an alert', async t => {
  t.equal(await outcome(t, 3, {}), 'accepted')
  t.match(await outcome(t, 4, {}), {
    message: /^cryptobyte: pending child length 8\d{4} exceeds 2-byte length prefix$/,
    alert: undefined,
  })
})

t.test('who verifies nothing keeps it once, and Go 1.19 keeps nothing twice', async t => {
  t.equal(await outcome(t, 4, { clientAuth: 'request' }), 'accepted')
  t.equal(await outcome(t, 4, { voice: 'go1.19' }), 'accepted')
  t.equal(await outcome(t, 4, { maxVersion: 'TLSv1.2' }), 'accepted')
})
