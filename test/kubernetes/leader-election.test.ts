import { once } from 'node:events'
import t from 'tap'
import { systemClock } from '#clock.ts'
import { createAuthenticator } from '#kubernetes/authn.ts'
import { createLeaderElection, type LeaderElectionOptions } from '#kubernetes/leader-election.ts'
import { resources } from '#kubernetes/resources.ts'
import { memoryBundle } from '#tls/bundle.ts'
import { FakeApi } from './fake-api.ts'
import { clientOf, type Issued, startServer, type Teardown, throwawayCa } from './ground.ts'

const ca = await throwawayCa()
const rogue = await throwawayCa('rogue')
const scheduler = await ca.issue('system:kube-scheduler')
const lock = { namespace: 'kube-system', name: 'kube-scheduler' }

async function start(t: Teardown) {
  const api = new FakeApi()
  const { url, server } = await startServer(t, ca, {
    authenticator: createAuthenticator({
      clock: systemClock,
      voice: 'go1.24',
      clientCa: memoryBundle(ca.cert),
      anonymous: false,
    }),
    routes: ({ app }) => api.routes(app),
  })
  const candidate = (identity: string, cert: Issued = scheduler, options: Partial<LeaderElectionOptions> = {}) => {
    const { client, log, lines, errors } = clientOf(t, ca, url, cert)
    const election = createLeaderElection({
      client,
      lock,
      identity,
      clock: systemClock,
      log,
      leaseDurationMs: 30_000,
      renewDeadlineMs: 20_000,
      retryPeriodMs: 20,
      ...options,
    })
    t.teardown(() => election.stop())
    return { election, lines, errors }
  }
  return { api, candidate, server }
}

const lease = (api: FakeApi) => api.requests

t.test('the first candidate leads, and says so as the original', async t => {
  const { candidate, api } = await start(t)
  const { election, lines } = candidate('a')
  const started = once(election, 'started')
  election.start()
  await started
  t.equal(election.isLeader, true)
  t.equal(election.leader, 'a')
  t.strictSame(
    lines.map(line => line.message),
    ['attempting to acquire leader lease...', 'successfully acquired lease'],
  )
  t.strictSame(lines[1]?.fields, { lock: 'kube-system/kube-scheduler' })
  t.match(lease(api), ['GET /apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kube-scheduler'])
})

t.test('another waits while the lease is renewed, and takes it when it is given up', async t => {
  const { candidate } = await start(t)
  const a = candidate('a').election.start()
  await once(a, 'started')
  const b = candidate('b').election
  const seen = once(b, 'leader')
  b.start()
  t.strictSame(await seen, ['a'])
  t.equal(b.isLeader, false)
  const taken = once(b, 'started')
  await a.stop()
  t.equal(a.isLeader, false)
  await taken
  t.equal(b.isLeader, true)
})

t.test('a leader that cannot renew stops leading', async t => {
  const { candidate, api } = await start(t)
  const { election, errors } = candidate('a', scheduler, { renewDeadlineMs: 300 })
  election.start()
  await once(election, 'started')
  const stopped = once(election, 'stopped')
  api.put(resources.leases, {
    metadata: lock,
    spec: { holderIdentity: 'thief', leaseDurationSeconds: 60, renewTime: new Date().toISOString() },
  })
  await stopped
  t.equal(election.isLeader, false)
  t.match(errors().at(-1), /^Failed to renew lease: context deadline exceeded$/)
})

t.test('a 401 is logged as the original logs it, and tried again', async t => {
  const { candidate } = await start(t)
  const { election, errors, lines } = candidate('a', await rogue.issue('system:kube-scheduler'))
  election.start()
  while (errors().length < 2) await new Promise(resolve => setTimeout(resolve, 5))
  t.equal(errors()[0], 'error retrieving resource lock: Unauthorized')
  t.match(lines.find(({ level }) => level === 'error')?.fields, {
    lock: 'kube-system/kube-scheduler',
    err: 'Unauthorized',
  })
  t.equal(election.isLeader, false)
})

t.test('durations that cannot work are refused', async t => {
  const { candidate } = await start(t)
  t.throws(() => candidate('a', scheduler, { leaseDurationMs: 20_000 }), {
    message: 'leaseDuration must be greater than renewDeadline',
  })
  t.throws(() => candidate('a', scheduler, { retryPeriodMs: 19_000 }), {
    message: 'renewDeadline must be greater than retryPeriod*JitterFactor',
  })
})
