import t from 'tap'
import type { Prediction } from '../../src/mesh/predict.ts'
import type { ConnectionStatus } from '../../src/mesh/status.ts'
import { describeExpectation, expectationFor, judge } from '../../src/scenarios/judge.ts'
import type { HandshakeRecord } from '../../src/tls/types.ts'

const record = (end: 'client' | 'server', message: string) =>
  ({ end, message, outcome: 'refused' }) as unknown as HandshakeRecord

const refused: ConnectionStatus = {
  from: 'kube-apiserver',
  to: 'etcd',
  outcome: 'refused',
  refusedBy: 'server',
  layer: 'tls',
  reason: 'unknown-authority',
  client: record('client', 'remote error: tls: unknown certificate authority'),
  server: record('server', 'tls: failed to verify certificate: x509: certificate signed by unknown authority'),
}
const predicted: Prediction[] = [
  {
    from: 'kube-apiserver',
    to: 'etcd',
    outcome: 'refused',
    refusedBy: 'server',
    layer: 'tls',
    reason: 'unknown-authority',
  },
]
const name = 'kube-apiserver -> etcd'

t.test('the most exact expectation counts', async t => {
  const expect = { [name]: 'any', '* -> etcd': 'unreachable', 'kube-apiserver -> *': 'ok', others: 'ok' } as const
  t.equal(expectationFor(expect, 'kube-apiserver', 'etcd'), 'any')
  t.equal(expectationFor(expect, 'etcd-healthcheck', 'etcd'), 'unreachable')
  t.equal(expectationFor(expect, 'kube-apiserver', 'kubelet'), 'ok')
  t.equal(expectationFor({ others: 'unreachable' }, 'a', 'b'), 'unreachable')
  t.equal(expectationFor({}, 'a', 'b'), 'ok')
})

t.test('a refusal fits by what is said about it', async t => {
  const fitting = [
    { refusedBy: 'server' },
    { refusedBy: 'server', layer: 'tls', reason: 'unknown-authority' },
    { refusedBy: 'server', words: { client: 'unknown certificate authority', server: 'signed by unknown authority' } },
  ] as const
  for (const expectation of fitting) {
    t.strictSame(judge({ [name]: expectation }, [refused], predicted).differences, [], JSON.stringify(expectation))
  }
  const parting = [
    'ok',
    'unreachable',
    { refusedBy: 'client' },
    { refusedBy: 'server', layer: 'authentication' },
    { refusedBy: 'server', reason: 'expired' },
    { refusedBy: 'server', words: { client: 'bad certificate' } },
  ] as const
  for (const expectation of parting) {
    t.equal(judge({ [name]: expectation }, [refused], predicted).differences.length, 1, JSON.stringify(expectation))
  }
})

t.test('who refuses has a record of it, unless a real program does', async t => {
  const { server: _, ...unrecorded } = refused
  const expect = { [name]: { refusedBy: 'server', reason: 'expired' } } as const
  t.equal(judge(expect, [unrecorded], predicted).differences.length, 1)
  t.strictSame(judge(expect, [unrecorded], predicted, new Set(['etcd'])).differences, [])
})

t.test('a difference shows what was expected and seen, and both ends’ words', async t => {
  const [difference] = judge({ [name]: { refusedBy: 'client', reason: 'expired' } }, [refused], predicted).differences
  t.strictSame(difference, {
    connection: name,
    expected: 'refused by the client expired',
    seen: 'refused by the server (tls) unknown-authority',
    client: 'remote error: tls: unknown certificate authority',
    server: 'tls: failed to verify certificate: x509: certificate signed by unknown authority',
  })
})

t.test('expected words are shown', async t => {
  t.equal(
    describeExpectation({ refusedBy: 'server', layer: 'tls', words: { client: 'bad certificate' } }),
    'refused by the server (tls), client says "bad certificate"',
  )
})

t.test('prediction and observation that part are told, also when the scenario expects what was seen', async t => {
  const wrong: Prediction[] = [{ from: 'kube-apiserver', to: 'etcd', outcome: 'ok' }]
  const { differences, disagreements } = judge({ [name]: { refusedBy: 'server' } }, [refused], wrong)
  t.strictSame(differences, [])
  t.match(disagreements, [/^kube-apiserver -> etcd: the files say ok, but it was refused by the server \(tls\)/])
})

t.test('where anything goes, prediction need not agree', async t => {
  const wrong: Prediction[] = [{ from: 'kube-apiserver', to: 'etcd', outcome: 'ok' }]
  t.strictSame(judge({ [name]: 'any' }, [refused], wrong), { differences: [], disagreements: [] })
})

t.test('a real program writes no record: its reason is not compared', async t => {
  const { server: _, ...seen } = { ...refused, reason: 'malformed' as const }
  t.strictSame(judge({ [name]: { refusedBy: 'server' } }, [seen], predicted).disagreements, [])
})
