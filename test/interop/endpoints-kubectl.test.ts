/** A real kubectl (Go 1.24 and newer) says of every endpoint with a defect what the tables of src/endpoints say that Go says. */
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { type CertificateDefect, certificateDefects } from '#endpoints/defects.ts'
import { type Endpoint, startEndpoint } from '#endpoints/endpoint.ts'
import { createAuthority } from '#endpoints/fixture.ts'
import { type ProtocolDefect, protocolDefects } from '#endpoints/protocols.ts'
import { pattern } from '../endpoints/dialling.ts'
import { kubectls } from './programs.ts'

// kubectl 1.33 is the first of Go 1.24
const [kubectl] = kubectls().filter(({ minor }) => minor >= 33)
const skip = kubectl ? false : 'no kubectl of 1.33 or newer'
t.setTimeout(180_000)

const authority = await createAuthority()

/** What kubectl says on standard error, without what comes before Go's words; nothing when all went well. */
async function ask(dir: string, endpoint: Endpoint, ...more: string[]): Promise<string> {
  const ca = join(dir, 'ca.crt')
  writeFileSync(ca, endpoint.ca)
  const flags = [`--server=${endpoint.url}`, `--certificate-authority=${ca}`, '--token=x', ...more]
  const child = spawn(kubectl!.path, ['get', '--raw', '/', ...flags], {
    env: { HOME: dir, KUBECONFIG: join(dir, 'none') },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let stderr = ''
  child.stderr.on('data', chunk => {
    stderr += String(chunk)
  })
  await new Promise(closed => child.on('close', closed))
  return stderr.trim().replace(/^(Unable to connect to the server|error): /, '')
}

t.test('certificates', { skip }, async t => {
  const dir = t.testdir({})
  for (const { name, server } of certificateDefects as readonly CertificateDefect[]) {
    if (!server) continue
    await using endpoint = await startEndpoint({ certificate: name as 'good', authority })
    const said = await ask(dir, endpoint)
    if (server === 'accepted') t.equal(said, '', name)
    else t.match(said, server.by === 'itself' ? 'remote error: tls: internal error' : pattern(server.text), name)
  }
})

t.test('protocols', { skip }, async t => {
  const dir = t.testdir({})
  for (const { name, outcome, text, raw } of protocolDefects as readonly ProtocolDefect[]) {
    await using endpoint = await startEndpoint({ protocol: name as 'silent', authority })
    const said = await ask(dir, endpoint, ...(raw === 'silence' ? ['--request-timeout=1s'] : []))
    // net/http has words of its own for these three: it knows what it asked for
    const httpsWords =
      raw === 'silence'
        ? // kubectl's own deadline and http.Client's are the same: whichever is noticed first
          /Client\.Timeout exceeded|^context deadline exceeded$/
        : /server gave HTTP response to HTTPS client|^Get .*EOF|EOF$|connection reset by peer/
    if (outcome === 'ok') t.equal(said, '', name)
    else t.match(said, raw ? httpsWords : pattern(text!), name)
  }
})
