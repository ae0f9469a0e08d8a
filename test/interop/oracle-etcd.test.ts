/**
 * Measured client certificates, presented by our dialer to a real etcd 3.4: accepted, or refused with the alert that we name, and etcd's log has
 * the words that were recorded. An etcd serves all cases of one bundle; of the bundles that a single case has, one of each kind of ending is tried.
 */
import t, { type Test } from 'tap'
import { request } from 'undici'
import { refusalOf } from '#tls/errors.ts'
import type { Dialer } from '#tls/types.ts'
import { dialerTo, throwawayPki } from '../tls/mesh.ts'
import { foldNow } from '../x509/oracle.ts'
import type { RekeyedCase } from '../x509/rekey.ts'
import { voiceOf } from './etcd-servers.ts'
import { aFewAtATime, identityOf, liveCases, Tally } from './oracle-ground.ts'
import { program } from './programs.ts'
import { health, startEtcd } from './real-etcd.ts'

t.setTimeout(300_000)
const pki = throwawayPki()
const etcd = program('etcd')
const tally = new Tally()
const skip = etcd.skip || (voiceOf(etcd.path) !== 'go1.19' && 'recorded of etcd 3.4')

/** Cases by what etcd is started with, those that say nothing of it left out. */
function byFiles(): Map<string, RekeyedCase[]> {
  const groups = new Map<string, RekeyedCase[]>()
  for (const one of liveCases('clientAuth')) {
    const { verdict, log, alert } = one.etcd34!
    if (one.group === 'tls') tally.leave('of what a client offers (test/tls/protocols.test.ts)', one.id)
    else if (verdict !== 'accept' && !log && !alert) tally.leave('not measured', one.id)
    else if (/serial-nonminimal|utctime-noseconds/.test(one.id)) tally.leave('OpenSSL cannot read it', one.id)
    else groups.set(one.roots + one.crl, [...(groups.get(one.roots + one.crl) ?? []), one])
  }
  return groups
}

/** The largest groups, and of the others one for each ending that is not there yet. */
function chosen(groups: RekeyedCase[][]): RekeyedCase[][] {
  const known = new Set<string>()
  const endings = (cases: readonly RekeyedCase[]) =>
    cases.map(({ etcd34 }) => `${etcd34!.verdict} ${etcd34!.log?.replace(/"[^"]*"|\d\S*/g, '')}`)
  return groups
    .sort((a, b) => b.length - a.length)
    .filter(cases => {
      const isNew = cases.length > 2 || endings(cases).some(ending => !known.has(ending))
      for (const ending of endings(cases)) known.add(ending)
      if (!isNew) for (const { id } of cases) tally.leave('the same ending as another, with a bundle of its own', id)
      return isNew
    })
}

type Etcd = Awaited<ReturnType<typeof startEtcd>>

async function present(t: Test, one: RekeyedCase, { port, log, logged }: Etcd): Promise<void> {
  const { dialer, records } = dialerTo(t, pki, {
    identity: identityOf(one),
    ...(one.id.endsWith('-tls12') ? { maxVersion: 'TLSv1.2' } : {}),
  })
  const { verdict, log: words, alert } = one.etcd34!
  const error = await outcome(port, dialer)
  const record = records.records.at(-1)!
  tally.tried(one.group)
  if (verdict === 'accept') {
    t.equal(error, undefined, one.id)
    return
  }
  // without an alert it is a connection that ends after the handshake: etcd's look into the revocation list
  const expected = alert ? { message: 'remote error: tls: bad certificate', alert: { code: 42 } } : { message: 'EOF' }
  t.match(refusalOf(error), { refusedBy: 'server', layer: 'tls', ...expected }, `${one.id}: ${error}`)
  const place = `"remote-addr":"${record.local}"`
  await logged(place)
  const line = log()
    .split('\n')
    .find(candidate => candidate.includes(place))
  t.equal(line && foldNow((JSON.parse(line) as { error: string }).error), foldNow(words!), `${one.id}: etcd's log`)
}

const outcome = (port: number, dialer: Dialer): Promise<unknown> =>
  request(`https://127.0.0.1:${port}/health`, { dispatcher: dialer.agent }).then(
    async answer => void (await answer.body.dump()),
    (error: unknown) => error,
  )

t.test('a real etcd 3.4 ends our client as it ended the measured one', { skip }, async t => {
  for (const cases of chosen([...byFiles().values()])) {
    const { roots, crl } = cases[0]!
    await t.test(cases.length === 1 ? cases[0]!.id : `${cases.length} cases of one bundle`, async t => {
      const server = await startEtcd(t, etcd.path, { serves: pki.server, trusts: roots, crl })
      // nobody of ours may be trusted by this bundle: that it refuses says that it listens
      const { dialer, records } = dialerTo(t, pki)
      await health(server.port, dialer).catch(() => {})
      await server.logged(`"remote-addr":"${records.records.at(-1)!.local}"`)
      await aFewAtATime(cases, one => present(t, one, server))
    })
  }
  t.comment(String(tally))
})
