import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type EndpointOptions, startEndpoint } from 'trustplane'
import { getJson } from './client.ts'

test('a good server is believed', async t => {
  const endpoint = await startEndpoint()
  t.after(() => endpoint.stop())
  assert.deepEqual(await getJson(endpoint.url, endpoint.ca), { endpoint: 'endpoint', client: null })
})

const refused: [EndpointOptions, RegExp][] = [
  [{ certificate: 'expired' }, /expired/],
  [{ certificate: 'not-yet-valid' }, /not yet valid/],
  [{ certificate: 'self-signed' }, /self-signed/],
  [{ certificate: 'unknown-authority' }, /unable to (verify|get)/],
  [{ certificate: 'incomplete-chain' }, /unable to (verify|get)/],
  [{ certificate: 'wrong-host' }, /Hostname\/IP does not match/],
  [{ certificate: 'wrong-usage' }, /purpose/],
  [{ certificate: 'name-constraint' }, /subtree/],
  [{ protocol: 'tls-1.0' }, /protocol|version/i],
  [{ protocol: 'closes-mid-handshake' }, /disconnected|hang up|ECONNRESET/],
]

for (const [options, message] of refused) {
  test(`a server with ${options.certificate ?? options.protocol} is refused`, async t => {
    const endpoint = await startEndpoint(options)
    t.after(() => endpoint.stop())
    await assert.rejects(getJson(endpoint.url, endpoint.ca), message)
  })
}

// What a Go program refuses and OpenSSL takes. If other people's clients are written in Go, this server would be broken for them.
const takenByNode: EndpointOptions[] = [
  { certificate: 'no-san' },
  { certificate: 'malformed' },
  { protocol: 'old-cipher' },
]
for (const options of takenByNode) {
  test(`a server with ${options.certificate ?? options.protocol} is believed by Node, though not by Go`, async t => {
    const endpoint = await startEndpoint(options)
    t.after(() => endpoint.stop())
    await getJson(endpoint.url, endpoint.ca)
  })
}
