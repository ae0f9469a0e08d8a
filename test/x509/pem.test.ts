import t from 'tap'
import { TrustplaneError } from '#errors.ts'
import { type BundleReader, readBundle } from '#x509/pem.ts'
import { pemProblem } from '#x509/pem-problems.ts'
import { scanPem } from '#x509/pem-scanner.ts'
import type { Voice } from '#x509/types.ts'
import { createAuthority, issueCertificate, pemOf } from './authority.ts'

const ca = createAuthority({ commonName: 'ca' })
const other = createAuthority({ commonName: 'other' })
const negative = createAuthority({ commonName: 'negative', serialNumber: -1n })
const garbage = pemOf(Buffer.from('garbage'))
const key = ca.keyPem

/** The CNs of what is trusted, or the error's words. */
function read(text: string, reader: BundleReader, voice: Voice = 'go1.24'): string[] | string {
  try {
    return readBundle(text, reader, { file: 'ca.crt', voice }).map(({ subject }) => subject.commonName)
  } catch (error) {
    return error instanceof TrustplaneError ? error.message : String(error)
  }
}

t.test('each reader takes what its original takes, and fails in its words', async t => {
  const unable = 'unable to load root certificates: '
  const loading = 'error loading CA bundle for "client-ca-bundle::ca.crt": '
  const none = `${loading}data does not contain any valid RSA or ECDSA certificates`
  const cases: [string, string, { [R in 'client-go' | 'etcd' | 'kube-apiserver']: string[] | string }][] = [
    [
      'two certificates',
      ca.pem + other.pem,
      { 'client-go': ['ca', 'other'], etcd: ['ca', 'other'], 'kube-apiserver': ['ca', 'other'] },
    ],
    ['text around', `one\n${ca.pem}two`, { 'client-go': ['ca'], etcd: ['ca'], 'kube-apiserver': ['ca'] }],
    [
      'an empty file',
      '',
      { 'client-go': [], etcd: [], 'kube-apiserver': 'missing content for CA bundle "client-ca-bundle::ca.crt"' },
    ],
    [
      'text alone',
      'hello',
      { 'client-go': `${unable}unable to parse bytes as PEM block`, etcd: [], 'kube-apiserver': none },
    ],
    [
      'a key before it',
      key + ca.pem,
      { 'client-go': ['ca'], etcd: 'x509: malformed tbs certificate', 'kube-apiserver': ['ca'] },
    ],
    [
      'a key alone',
      key,
      {
        'client-go': `${unable}no valid certificate authority data seen`,
        etcd: 'x509: malformed tbs certificate',
        'kube-apiserver': none,
      },
    ],
    [
      'garbage in a block',
      garbage + ca.pem,
      {
        'client-go': ['ca'],
        etcd: 'x509: malformed certificate',
        'kube-apiserver': `${loading}x509: malformed certificate`,
      },
    ],
    [
      'garbage alone',
      garbage,
      {
        'client-go': `${unable}failed to parse certificate: x509: malformed certificate`,
        etcd: 'x509: malformed certificate',
        'kube-apiserver': `${loading}x509: malformed certificate`,
      },
    ],
    [
      'another label',
      pemOf(ca.der, 'TRUSTED CERTIFICATE'),
      { 'client-go': `${unable}no valid certificate authority data seen`, etcd: ['ca'], 'kube-apiserver': none },
    ],
    [
      'PEM headers',
      ca.pem.replace('-----\n', '-----\nA: b\n\n'),
      { 'client-go': `${unable}no valid certificate authority data seen`, etcd: ['ca'], 'kube-apiserver': none },
    ],
    [
      'a byte order mark',
      `\ufeff${ca.pem}`,
      { 'client-go': `${unable}unable to parse bytes as PEM block`, etcd: [], 'kube-apiserver': none },
    ],
  ]
  for (const [what, text, expected] of cases)
    for (const reader of ['client-go', 'etcd', 'kube-apiserver'] as const)
      t.strictSame(read(text, reader), expected[reader], `${reader}: ${what}`)
})

t.test('the voice says whether a negative serial is an error', async t => {
  t.strictSame(read(negative.pem + ca.pem, 'etcd', 'go1.19'), ['negative', 'ca'])
  t.equal(read(negative.pem + ca.pem, 'etcd', 'go1.24'), 'x509: negative serial number')
  t.strictSame(read(negative.pem + ca.pem, 'client-go', 'go1.24'), ['ca'])
})

t.test('the scanner finds good blocks after broken ones', async t => {
  const labels = (text: string) => [...scanPem(text)].map(({ label }) => label).join()
  const good = issueCertificate(ca).pem
  const cases: [string, string, string][] = [
    ['CRLF', good.replaceAll('\n', '\r\n'), 'CERTIFICATE'],
    ['base64 on one line', good.replace(/\n(?=[^-])(?<!-\n)/g, ''), 'CERTIFICATE'],
    ['no newline at the end', good.trimEnd(), 'CERTIFICATE'],
    ['glued', good.trimEnd() + good, ''],
    ['bad base64 first', good.replace(/[A-Za-z]{4}\n/, '!!!!\n') + good, 'CERTIFICATE'],
    ['cut off first', `${good.slice(0, 200)}\n${good}`, 'CERTIFICATE'],
    ['cut off last', good + good.slice(0, 200), 'CERTIFICATE'],
    ['an indented BEGIN', ` ${good}`, ''],
    ['END of another label', good.replace('END CERTIFICATE', 'END KEY') + good, 'CERTIFICATE'],
    ['an empty block', '-----BEGIN A-----\n-----END A-----\n', 'A'],
  ]
  for (const [what, text, expected] of cases) t.equal(labels(text), expected, what)
})

t.test('why a file holds no certificate is said with its line', async t => {
  const cases: [string, string, { what: RegExp; line?: number } | undefined][] = [
    ['a certificate', ca.pem, undefined],
    ['empty', ' \n', { what: /it is empty/ }],
    ['DER', ca.der.toString('latin1'), { what: /DER/ }],
    ['a key', key, { what: /private key \(PRIVATE KEY\)/ }],
    ['text', 'hello', { what: /no PEM block/ }],
    ['another label', pemOf(ca.der, 'X509 CERTIFICATE'), { what: /X509 CERTIFICATE and no CERTIFICATE/ }],
    ['indented', `x\n\n  ${ca.pem}`, { what: /first column/, line: 3 }],
    ['cut off', `x\n${ca.pem.slice(0, 100)}`, { what: /no END line/, line: 2 }],
    ['bad base64', ca.pem.replace(/\n[A-Za-z]/, '\n!'), { what: /base64/, line: 1 }],
    ['a byte order mark', Buffer.from(`\ufeff${ca.pem}`).toString('latin1'), { what: /byte order mark/, line: 1 }],
  ]
  for (const [what, text, expected] of cases) t.match(pemProblem(text), expected as never, what)
})

t.test('the scanner takes no longer than the text is long, whatever is missing in it', async t => {
  const count = 100_000
  const begin = '-----BEGIN A-----\n'
  const full = `${begin}QUJD\n`.repeat(count)
  const blocks = (text: string) => [...scanPem(text)].map(({ label, der }) => `${label} ${der.length}`)
  t.strictSame(blocks(begin.repeat(count)), [], 'no END: to look for it from each BEGIN would take minutes')
  t.strictSame(blocks(`${full}-----END B-----\n`), [], "another block's END")
  t.strictSame(blocks(`${full}-----END A-----\n`), ['A 3'], 'one END for all')
  t.strictSame(blocks(`${begin}a: b\n`.repeat(count)), [], 'headers without a body')
})
