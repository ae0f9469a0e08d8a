import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { systemClock } from '#clock.ts'
import { component } from '#components/extension-apiserver/index.ts'
import { memoryRecords } from '#tls/records.ts'
import { ask, type Issued, memoryLog, throwawayCa } from '../../kubernetes/ground.ts'

/** A running server, whose CA, cluster CA and front-proxy CA are three different ones. */
async function start(t: Parameters<NonNullable<typeof ask>>[0] & { testdir(): string }) {
  const dir = t.testdir()
  mkdirSync(dir, { recursive: true })
  const [serving, cluster, frontProxy] = await Promise.all(['serving', 'kubernetes', 'front-proxy-ca'].map(throwawayCa))
  const pair = await serving!.issue('extension-apiserver', { usages: ['serverAuth'], ip: ['127.0.0.1'] })
  const file = (name: string, text: string) => {
    writeFileSync(join(dir, name), text, { mode: 0o600 })
    return join(dir, name)
  }
  const records = memoryRecords()
  const running = await component.start(
    [
      '--bind-address=127.0.0.1',
      '--secure-port=0',
      `--tls-cert-file=${file('tls.crt', pair.cert)}`,
      `--tls-private-key-file=${file('tls.key', pair.key)}`,
      `--client-ca-file=${file('ca.crt', cluster!.cert)}`,
      `--requestheader-client-ca-file=${file('front-proxy-ca.crt', frontProxy!.cert)}`,
      '--requestheader-allowed-names=front-proxy-client',
    ],
    { clock: systemClock, voice: 'go1.24', log: memoryLog().log, records },
  )
  t.teardown(() => running.stop())
  const url = `https://127.0.0.1:${running.addresses.secure!.port}`
  const get = (
    path: string,
    options: { cert?: Issued; headers?: Record<string, string>; method?: string; body?: string } = {},
  ) => ask(t, serving!, `${url}${path}`, options)
  return { get, cluster: cluster!, frontProxy: frontProxy!, records }
}

const nodes = '/apis/metrics.k8s.io/v1beta1/nodes'
const jane = { 'X-Remote-User': 'jane', 'X-Remote-Group': 'team' }

t.test('who comes through the front proxy is served', async t => {
  const { get, frontProxy } = await start(t)
  const answer = await get(nodes, { cert: await frontProxy.issue('front-proxy-client'), headers: jane })
  t.equal(answer.status, 200)
  t.match(JSON.parse(answer.text), { kind: 'NodeMetricsList', items: [] })
})

t.test('a front proxy whose CN is not allowed is refused with 401, and both ends’ words say why', async t => {
  const { get, frontProxy, records } = await start(t)
  const answer = await get(nodes, { cert: await frontProxy.issue('intruder'), headers: jane })
  t.equal(answer.status, 401)
  t.match(
    records.records.find(record => record.layer === 'authentication'),
    { outcome: 'refused', refusedBy: 'server', http: { status: 401 } },
  )
})

t.test('headers of somebody who is no front proxy are not believed', async t => {
  const { get, cluster } = await start(t)
  const answer = await get(nodes, {
    cert: await cluster.issue('bob'),
    headers: { ...jane, 'X-Remote-Group': 'system:masters' },
  })
  t.equal(answer.status, 403)
  t.match(answer.text, /User \\"bob\\" cannot list resource \\"nodes\\" in API group \\"metrics.k8s.io\\"/)
})

t.test('without a certificate: health is for everybody, the API for nobody', async t => {
  const { get } = await start(t)
  t.equal((await get('/healthz')).text, 'ok')
  t.equal((await get(nodes, { headers: jane })).status, 403)
})

t.test('the webhook answers reviews: allows, denies by label, and says what is no review', async t => {
  const { get } = await start(t)
  const review = (labels?: object) =>
    get('/validate', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ kind: 'AdmissionReview', request: { uid: '7', object: { metadata: { labels } } } }),
    })
  t.match(JSON.parse((await review()).text), { response: { uid: '7', allowed: true } })
  t.match(JSON.parse((await review({ 'trustplane.io/deny': 'true' })).text), {
    response: { allowed: false, status: { code: 403 } },
  })
  t.equal((await get('/validate', { method: 'POST', body: 'nonsense' })).status, 400)
})
