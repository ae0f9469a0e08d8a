import t from 'tap'
import { connections } from '../../src/mesh/connections.ts'
import type { Explanation } from '../../src/mesh/explain.ts'
import type { ConnectionStatus } from '../../src/mesh/status.ts'
import { picture } from '../../src/scenarios/reporters/html/picture.ts'
import { htmlReport } from '../../src/scenarios/reporters/html.ts'
import type { ScenarioResult } from '../../src/scenarios/runner.ts'

const evil = '"><script>alert(1)</script>'
const certificate = {
  subject: `CN=${evil}`,
  issuer: 'CN=kubernetes',
  serial: '01',
  notBefore: '2026-01-01T00:00:00.000Z',
  notAfter: '2027-01-01T00:00:00.000Z',
  sha256: 'ab'.repeat(32),
}
const refused: ConnectionStatus = {
  from: 'kube-apiserver',
  to: 'etcd',
  outcome: 'refused',
  refusedBy: 'server',
  layer: 'tls',
  reason: 'unknown-authority',
}
const explanation: Explanation = {
  from: 'kube-apiserver',
  to: 'etcd',
  what: 'kube-apiserver -> etcd: refused',
  status: refused,
  client: {
    component: 'kube-apiserver',
    showed: [certificate],
    showedFile: '/tmp/trustplane-abc/pki/apiserver-etcd-client.crt',
    authorities: [],
    says: `remote error: ${evil}`,
  },
  server: {
    component: 'etcd',
    showed: [],
    authorities: ['CN=etcd-ca'],
    says: 'x509: certificate signed by unknown authority',
  },
  notice: 'the apiserver has no storage',
  fixes: [],
}
const all = connections.map(
  ({ from, to }): ConnectionStatus =>
    from === 'kube-apiserver' && to === 'etcd' ? refused : { from, to, outcome: 'ok' },
)
const result = {
  scenario: {
    name: 'client-from-cluster-ca',
    group: 'etcd',
    title: `etcd refuses ${evil}`,
    story: 'What people saw.',
    sources: ['https://example.org/issue', 'javascript:alert(1)'],
    plan: 'kubeadm',
    faults: [],
    more: {},
    practice: {},
    steps: [],
    fix: [{ name: 'renew', targets: ['apiserver-etcd-client'] }],
  },
  ok: true,
  seconds: 1,
  phases: [
    {
      phase: 'expect',
      rows: all,
      explanations: [explanation],
      notices: [{ name: 'node', expected: 'node node-1 is NotReady', seen: evil, ok: true }],
      differences: [],
      disagreements: [],
      dead: [],
    },
  ],
} as unknown as ScenarioResult

function reportOf(...results: ScenarioResult[]): string {
  let text = ''
  const plain = (word: string) => word
  const write = (chunk: string) => {
    text += chunk
  }
  htmlReport({ write, symbol: plain, bold: plain, dim: plain }).end(results)
  return text
}

t.test('the report needs nothing from outside, and runs nothing', async t => {
  const page = reportOf(result)
  t.notMatch(page, /<script|<link|<img|@import|url\(|src=/i)
  t.match(page, /^<!doctype html>\n<html lang="en">/)
  t.match(page, /prefers-color-scheme:dark/)
})

t.test('whatever a scenario or a certificate says is text there, and only web addresses are links', async t => {
  const page = reportOf(result)
  t.match(page, 'etcd refuses &quot;&gt;&lt;script&gt;')
  t.match(page, 'CN=&quot;&gt;&lt;script&gt;')
  t.match(page, '<a href="https://example.org/issue">')
  t.notMatch(page, 'href="javascript:')
})

t.test('it shows both ends, the fix as commands, and paths as on a node', async t => {
  const page = reportOf(result)
  t.match(page, 'The client: kube-apiserver')
  t.match(page, /The server: etcd <span class="tag bad">✕ refuses<\/span>/)
  t.match(page, '<code>/etc/kubernetes/pki/apiserver-etcd-client.crt</code>')
  t.match(page, 'kubeadm certs renew apiserver-etcd-client')
  t.match(page, 'node node-1 is NotReady')
  t.match(page, 'href="#etcd-client-from-cluster-ca"')
})

t.test(
  'the picture has every connection of the table, a text for those who do not see it, and a cross at the end that refuses',
  async t => {
    const { text } = picture('p', all)
    t.equal(text.match(/<g class="line /g)?.length, connections.length)
    t.match(text, 'aria-labelledby="p-t p-d"')
    t.match(
      text,
      '<desc id="p-d">kube-apiserver to etcd: refused by the server (tls) unknown-authority. The other 14 are ok.</desc>',
    )
    t.equal(text.match(/class="mark"/g)?.length, 1)
    t.match(text, /<g class="box refuses"><rect[^>]*><text[^>]*>etcd<\/text>/)
  },
)

t.test('it shows what ends when and what breaks first, where that was worked out', async t => {
  const ends = [{ name: evil, kind: 'certificate' as const, file: 'pki/a.crt', subject: '', notAfter: '', sha256: '' }]
  const event = {
    time: '2027-01-01T00:00:00Z',
    inSeconds: 9,
    ends,
    breaks: [
      {
        from: 'kubectl',
        to: 'kube-apiserver',
        outcome: 'refused' as const,
        refusedBy: 'client' as const,
        reason: 'expired' as const,
        notice: 'nobody can look',
      },
    ],
  }
  const timeline = { now: '', well: 1, total: 1, broken: [], unjudged: [], events: [event], first: event }
  const page = reportOf({ ...result, timeline })
  t.match(page, '<summary>What ends when, and what breaks first</summary>')
  t.match(page, /2027-01-01 00:00:00<\/time><br><span class="tag warn">first<\/span>/)
  t.match(page, 'kubectl → kube-apiserver: expired, refused by the client. <span class="soft">nobody can look.</span>')
  t.notMatch(page, '<script')
  t.notMatch(reportOf(result), 'What ends when')
})
