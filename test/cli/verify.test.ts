import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createAuthority, issueCertificate, pemOf } from '../x509/authority.ts'
import { foldNow, oracleCases } from '../x509/oracle.ts'
import { trustplane } from './harness.ts'

const ca = createAuthority({ commonName: 'kubernetes' })
const other = createAuthority({ commonName: 'other' })
const leaf = issueCertificate(ca, {
  subject: { commonName: 'apiserver' },
  dnsNames: ['localhost'],
  usages: ['serverAuth'],
  notAfter: new Date('2030-01-01T00:00:00Z'),
})

const files = {
  'ca.crt': ca.pem,
  'other.crt': other.pem,
  'leaf.crt': leaf.pem,
  'leaf.key': leaf.keyPem,
  'wrong-order.crt': ca.pem + leaf.pem,
  'bad.crt': pemOf(Buffer.from('3003020101', 'hex')),
  'empty.crt': '',
  'text.crt': 'hello',
  'cut.crt': leaf.pem.slice(0, 100),
}
const at = '--at=2026-06-01T00:00:00Z'

t.test('exit 0 when Go accepts, and the chain is shown', async t => {
  const dir = t.testdir(files)
  const ran = await trustplane(
    'verify',
    at,
    '--name',
    'localhost',
    '--roots',
    join(dir, 'ca.crt'),
    join(dir, 'leaf.crt'),
  )
  t.equal(ran.status, 0)
  t.equal(ran.stdout, '✓ accepted\n  CN=apiserver ← CN=kubernetes\n')
  t.equal(ran.stderr, '')
})

t.test("exit 1 when Go refuses, with the reason, Go's words and what mends it", async t => {
  const dir = t.testdir(files)
  const ran = await trustplane('verify', at, '--roots', join(dir, 'other.crt'), join(dir, 'leaf.crt'))
  t.equal(ran.status, 1)
  t.match(ran.stdout, /refused: unknown-authority/)
  t.match(ran.stdout, /x509: certificate signed by unknown authority/)
  t.match(ran.stdout, /fix: /)
})

t.test('JSON has verdict, reason, message and chains, whichever way it goes', async t => {
  const dir = t.testdir(files)
  const ask = async (...more: string[]) => {
    const ran = await trustplane(
      'verify',
      at,
      '-o',
      'json',
      '--roots',
      join(dir, 'ca.crt'),
      ...more,
      join(dir, 'leaf.crt'),
    )
    return { status: ran.status, document: JSON.parse(ran.stdout) }
  }
  t.match(await ask(), {
    status: 0,
    document: {
      apiVersion: 'trustplane.io/v1alpha1',
      kind: 'Verdict',
      verdict: 'accept',
      reason: null,
      message: null,
      chains: [[{ subject: 'CN=apiserver' }, { subject: 'CN=kubernetes' }]],
      at: '2026-06-01T00:00:00.000Z',
    },
  })
  t.match(await ask('--name', 'elsewhere'), {
    status: 1,
    document: {
      verdict: 'reject',
      reason: 'name-mismatch',
      message: 'x509: certificate is valid for localhost, not elsewhere',
      chains: [],
      certificate: { subject: 'CN=apiserver' },
      alert: { code: 42, name: 'bad_certificate' },
    },
  })
  t.match(await ask('--usage', 'clientAuth'), { document: { reason: 'wrong-usage' } })
  t.match(await ask('--clock-offset', '5y'), { document: { reason: 'expired' } })
  t.match(await ask('--clock-offset', '-5y'), { document: { reason: 'not-yet-valid' } })
  t.match(await ask('--voice', 'go1.19'), { document: { voice: 'go1.19', verdict: 'accept' } })
})

t.test('exit 2 when there is nothing to judge, saying what, where and what to do', async t => {
  const dir = t.testdir(files)
  const roots = ['--roots', join(dir, 'ca.crt')]
  const cases: [string, string[], RegExp][] = [
    ['a key where the certificate belongs', [...roots, join(dir, 'leaf.key')], /leaf\.key: it holds a private key/],
    [
      'a key where the bundle belongs',
      ['--roots', join(dir, 'leaf.key'), join(dir, 'leaf.crt')],
      /holds a private key/,
    ],
    ['an empty file', [...roots, join(dir, 'empty.crt')], /empty\.crt: it is empty/],
    ['text', [...roots, join(dir, 'text.crt')], /no PEM block/],
    ['a file that was cut off', [...roots, join(dir, 'cut.crt')], /no END line[\s\S]*cut\.crt:1/],
    ['no such file', [...roots, join(dir, 'none.crt')], /cannot read .*none\.crt/],
    ['no bundle', [join(dir, 'leaf.crt')], /--roots/],
    ['a time that is none', [...roots, '--at', 'yesterday', join(dir, 'leaf.crt')], /not a time: "yesterday"/],
    ['a usage that is none', [...roots, '--usage', 'x', join(dir, 'leaf.crt')], /serverAuth, clientAuth, any/],
    ['a list that is none', [...roots, '--crl', join(dir, 'text.crt'), join(dir, 'leaf.crt')], /not a revocation list/],
  ]
  for (const [what, argv, message] of cases) {
    const ran = await trustplane('verify', ...argv)
    t.equal(ran.status, 2, what)
    t.match(ran.stderr, message, what)
    t.match(ran.stderr, /fix: /, what)
    t.equal(ran.stdout, '', what)
  }
})

t.test("what Go has a verdict on gets Go's verdict, and a hint", async t => {
  const dir = t.testdir(files)
  const malformed = await trustplane('verify', at, '--roots', join(dir, 'ca.crt'), join(dir, 'bad.crt'))
  t.match(malformed, { status: 1, stdout: /refused: malformed[\s\S]*x509: malformed tbs certificate/ })
  const reversed = await trustplane('verify', at, '--roots', join(dir, 'ca.crt'), join(dir, 'wrong-order.crt'))
  t.match(reversed, { stderr: /hint: .*the leaf seems to be number 2/ })
  for (const bundle of ['empty.crt', 'text.crt', 'bad.crt']) {
    const ran = await trustplane('verify', at, '--roots', join(dir, bundle), join(dir, 'leaf.crt'))
    t.match(ran, { status: 1, stdout: /unknown-authority/, stderr: /trusts nobody/ }, bundle)
  }
})

t.test('the measured certificates, as files, get the measured verdicts', async t => {
  const dir = t.testdir()
  const [chain, roots] = [join(dir, 'chain.pem'), join(dir, 'roots.pem')]
  for (const one of oracleCases().filter(({ layer }) => layer === 'certificate')) {
    writeFileSync(chain, one.chain)
    writeFileSync(roots, one.roots)
    const name = one.usage === 'serverAuth' && one.name ? ['--name', one.name] : []
    const argv = ['--usage', one.usage, ...name, '--at', one.at, '--roots', roots, chain, '-o', 'json', '-q']
    const ran = await trustplane('verify', ...argv)
    const document = JSON.parse(ran.stdout)
    t.equal(document.verdict, one.go124.verdict, one.id)
    t.equal(ran.status, one.go124.verdict === 'accept' ? 0 : 1, `${one.id}: exit status`)
    if (one.go124.error) t.ok(one.go124.error.endsWith(foldNow(document.message)), `${one.id}: ${document.message}`)
  }
})

t.test('--help teaches with examples', async t => {
  const ran = await trustplane('verify', '--help')
  t.equal(ran.status, 0)
  t.match(ran.stdout, /Examples:[\s\S]*trustplane verify --name/)
  t.match(ran.stdout, /0 accepted, 1 refused, 2 could not judge/)
})
