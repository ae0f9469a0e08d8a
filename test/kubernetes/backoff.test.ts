import t from 'tap'
import { Backoff, isAnswer, pause } from '#kubernetes/backoff.ts'
import { RefusedError, UnreachableError } from '#tls/errors.ts'
import type { HandshakeRecord } from '#tls/types.ts'

const between = (t: { ok(value: boolean, message: string): unknown }, value: number, low: number, high: number) =>
  t.ok(value >= low && value <= high, `${value} is between ${low} and ${high}`)

t.test('at first it hurries, for whom it asks may be there any moment', async t => {
  const backoff = new Backoff({ eagerForMs: 60_000 })
  between(t, backoff.next(), 20, 40)
  for (let i = 0; i < 20; i++) between(t, backoff.next(), 40, 80)
})

t.test('then it doubles, up to its most', async t => {
  const backoff = new Backoff({ eagerForMs: 0, firstMs: 100, maxMs: 1000 })
  for (const wait of [100, 200, 400, 800, 1000, 1000]) between(t, backoff.next(), wait, wait * 2)
  backoff.reset()
  between(t, backoff.next(), 100, 200)
})

t.test('an answer is no reason to hurry', async t => {
  const backoff = new Backoff({ eagerForMs: 60_000 })
  for (const wait of [200, 400, 800]) between(t, backoff.next(true), wait, wait * 2)
})

t.test('who refuses in the handshake has answered, who is not there has not', async t => {
  const record = { outcome: 'refused', refusedBy: 'client', layer: 'tls', message: 'x509: …' } as HandshakeRecord
  t.ok(isAnswer(new Error('failed to list', { cause: new RefusedError(record) })))
  t.notOk(isAnswer(new Error('failed to list', { cause: new UnreachableError(record) })))
})

t.test('a wait ends early when it is told to', async t => {
  const stop = new AbortController()
  const waited = pause(60_000, stop.signal)
  stop.abort()
  await waited
  t.pass()
})
