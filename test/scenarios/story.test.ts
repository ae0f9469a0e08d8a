/** One mesh, on which every kind of step and notice is tried. */
import 'reflect-metadata'
import { join } from 'node:path'
import { Pkcs10CertificateRequestGenerator } from '@peculiar/x509'
import t, { type Test as Tap } from 'tap'
import { loadScenarios } from '../../src/scenarios/load.ts'
import { notices } from '../../src/scenarios/notices/index.ts'
import { runScenario } from '../../src/scenarios/runner.ts'
import { type StepName, steps } from '../../src/scenarios/steps.ts'

// a whole mesh, and the machine may be busy
t.setTimeout(300_000)

const story = `title: Every kind of step and notice
story: |
  One after the other, on one mesh.
given:
  nodes: 2
  ownTrustFiles: true
  flags:
    kube-apiserver: ['--audit-policy-file={dir}/audit-policy.yaml', '--audit-log-path={dir}/audit.log']
    kube-controller-manager: ['--node-monitor-grace-period=2s', '--node-monitor-period=500ms']
  files:
    pki/ca.key: '0644'
    audit-policy.yaml:
      content: |
        apiVersion: audit.k8s.io/v1
        kind: Policy
        rules: [{ level: Metadata }]
  objects:
    - { apiVersion: v1, kind: ConfigMap, metadata: { name: hello }, data: { a: b } }
  certificates:
    leaked-admin:
      file: pki/leaked-admin
      issuer: ca
      commonName: jane
      organizations: ['system:masters']
      extKeyUsages: [clientAuth]
steps:
  - request: { as: leaked-admin, path: /api/v1/namespaces/default/configmaps/hello, says: '"a":"b"' }
  - request: { as: anonymous, path: /api/v1/nodes, status: 403 }
  - request: { as: kubelet, path: '/api/v1/nodes/{node}', status: 200 }
  - request: { as: kube-apiserver, to: etcd, path: /health, status: 200 }
  - request: { as: monitoring, to: etcd, path: /health, says: 'remote error: tls' }
  - run: { run: no-such-program get nodes }
  - run: { run: 'env', says: KUBECONFIG }
  - delete: { apiVersion: v1, kind: ConfigMap, metadata: { name: hello } }
  - request: { path: /api/v1/namespaces/default/configmaps/hello, status: 404 }
  - apply:
      - { apiVersion: v1, kind: Pod, metadata: { name: web }, spec: { containers: [{ name: web, image: web }] } }
      - apiVersion: certificates.k8s.io/v1
        kind: CertificateSigningRequest
        metadata: { name: unwanted }
        spec: { signerName: example.com/none, usages: [client auth], request: REQUEST }
      - apiVersion: certificates.k8s.io/v1
        kind: CertificateSigningRequest
        metadata: { name: wanted }
        spec: { signerName: example.com/none, usages: [client auth], request: REQUEST }
  - deny: unwanted
  - approve: all
  - expect: { others: ok }
  - notices:
      - audit: { user: jane, verb: get, resource: configmaps, code: 200 }
      - node: { is: Ready }
      - node: { node: node-9, is: absent }
      - pod: { name: web, is: Running }
      - csr: { name: unwanted, is: Denied }
      - csr: { name: wanted, is: Approved }
      - component: { component: kube-apiserver, is: running }
      - lint: { rule: key-mode, about: ca.key }
  - chmod: { pki/ca.key: '0600' }
  - write: { notes/one.txt: hello }
  - copy: { notes/two.txt: notes/one.txt }
  - remove: notes/one.txt
  - replace:
      apiserver: { notBefore: -2d, notAfter: -1d }
  - reload: kube-apiserver
  - wait-until:
      connection: { connection: kubectl -> kube-apiserver, is: { refusedBy: client, reason: expired } }
  - expect:
      '* -> kube-apiserver': { refusedBy: client, layer: tls, reason: expired }
  - renew: apiserver
  - wait-until: { node: { is: Ready } }
  - replace-trust: { kube-apiserver.kubelet-certificate-authority: [etcd-ca] }
  - break: { expired-certificate: { certificate: monitoring, ago: 1d } }
  - restart: kube-apiserver
  - expect:
      'monitoring -> *': { refusedBy: server, layer: authentication, reason: expired }
      kube-apiserver -> kubelet: { refusedBy: client, layer: tls, reason: unknown-authority }
      others: ok
  - restore-files: trust/kube-apiserver.kubelet-certificate-authority.crt
  - renew: monitoring
  - stop: kubelet
  - wait-until: { node: { is: NotReady }, within: 60s }
  - notices:
      - event: { reason: NodeNotReady }
      - component: { component: kubelet, is: down }
      - component: { component: kubelet, node: node-2, is: down }
      - log: { component: kubelet, node: node-2, says: node-2 }
  - restart: kubelet
  - wait-until: { node: { is: Ready }, within: 60s }
  - advance-clock: { by: 366d }
expect:
  kube-apiserver -> etcd: { refusedBy: client, reason: expired }
  '* -> kube-apiserver': { refusedBy: client, reason: expired }
  others: any
notices:
  - log: { component: kube-apiserver, says: certificate has expired }
fix:
  - restore-clock: all
  - start-over: everything
`

async function certificateRequest(): Promise<string> {
  const keys = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify'])
  const made = await Pkcs10CertificateRequestGenerator.create({
    name: 'CN=somebody',
    keys,
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
  })
  return Buffer.from(made.toString('pem')).toString('base64')
}

const problem = (t: Tap, text: string) => join(t.testdir({ 's.yaml': text }), 's.yaml')

t.test('a story of several acts is told to its end, with every look as it should be', async t => {
  const [scenario] = await loadScenarios([problem(t, story.replaceAll('REQUEST', await certificateRequest()))])
  const tried = new Set([...scenario!.steps, ...scenario!.fix].map(({ name }) => name))
  // those of the faults' own fixes
  const elsewhere: StepName[] = ['restore-trust', 'restore-flags']
  t.strictSame(
    steps.map(({ name }) => name).filter(name => !tried.has(name) && !elsewhere.includes(name)),
    [],
    'every step is in it',
  )
  const result = await runScenario(scenario!)
  t.equal(result.error, undefined)
  for (const { after, differences, disagreements, notices: seen } of result.phases) {
    const when = after ?? 'at the end'
    t.strictSame(differences, [], when)
    t.strictSame(disagreements, [], when)
    t.strictSame(
      seen.filter(({ ok }) => !ok),
      [],
      when,
    )
  }
  const looked = new Set(result.phases.flatMap(phase => phase.notices.map(({ name }) => name)))
  t.strictSame(
    notices.map(({ name }) => name).filter(name => !looked.has(name)),
    [],
    'every notice is in it',
  )
  t.match(
    result.phases.flatMap(phase => phase.notices.flatMap(({ skipped }) => skipped ?? [])),
    ['no-such-program is not on PATH'],
  )
})

t.test('what does not come about within its time is named, with what is there instead', async t => {
  const [scenario] = await loadScenarios([
    problem(
      t,
      `title: x
story: y
given: { objects: { apiVersion: v1, kind: ConfigMap, metadata: { name: here } } }
steps:
  - wait-until: { node: { node: node-9, is: Ready }, within: 300ms }
expect: { others: ok }
`,
    ),
  ])
  const { ok, error, phases } = await runScenario(scenario!)
  t.notOk(ok)
  t.strictSame(phases, [])
  t.match(error, {
    code: 'TP_TIMEOUT',
    message: 'waited 0.3 s until node node-9 is Ready; it is: node node-9 is absent',
  })
})
