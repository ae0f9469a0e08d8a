import { get } from 'node:https'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { certificateFixture, createAuthority, verify } from 'trustplane'
import { start } from './server.js'

const authority = await createAuthority()
const { chain: cert, key } = await certificateFixture('good', { authority })
const server = await start({ cert, key, ca: authority.cert })
t.teardown(() => server.close())

/** Asks the server as a client with this certificate. */
async function ask(name) {
  const client = await certificateFixture(name, { authority, side: 'client', commonName: 'jane' })
  const url = `https://localhost:${server.address().port}`
  const shown = client.chain ? { cert: client.chain, key: client.key } : {}
  return new Promise((resolve, reject) => {
    get(url, { ca: authority.cert, agent: false, ...shown }, response => resolve(text(response))).on('error', reject)
  })
}

t.test('a good client is let in by its name', async t => {
  t.equal(await ask('good'), 'jane')
})

const faults = [
  'expired',
  'not-yet-valid',
  'self-signed',
  'unknown-authority',
  'wrong-usage',
  'not-a-ca',
  'no-certificate',
]
for (const name of faults) t.test(`${name} is turned away`, t => t.rejects(ask(name)))

t.test('a certificate that Go does not parse is let in here: a proxy written in Go would turn it away', async t => {
  t.equal(typeof (await ask('malformed')), 'string')
  const { chain, ca } = await certificateFixture('malformed', { authority, side: 'client' })
  t.match(verify({ chain, roots: ca, usage: 'clientAuth', now: new Date() }), {
    verdict: 'reject',
    reason: 'malformed',
  })
})
