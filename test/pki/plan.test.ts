import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { TrustplaneError } from '#errors.ts'
import { certificateOf } from '#pki/lookup.ts'
import { applyChanges, loadPlan, parsePlan } from '#pki/plan.ts'
import { type TrustSlot, trustSlotNames } from '#pki/trust-slots.ts'

async function problemsOf(promise: Promise<unknown>): Promise<string[]> {
  try {
    await promise
  } catch (error) {
    if (!(error instanceof TrustplaneError)) throw error
    return [error.code, ...error.message.split('\n')]
  }
  return []
}

const valid = `
authorities:
  - name: ca
    file: pki/ca
    commonName: kubernetes
certificates:
  - name: apiserver
    file: pki/apiserver
    issuer: ca
    commonName: kube-apiserver
trust:
  kube-apiserver.client-ca: [ca]
`

t.test('a small plan gets kubeadm’s defaults', async t => {
  const plan = await parsePlan(valid, 'small.yaml')
  t.match(plan, {
    name: 'small',
    kubernetesVersion: '1.37',
    keyAlgorithm: 'ECDSA-P256',
    cluster: {
      nodeName: 'node-1',
      server: 'https://127.0.0.1:6443',
      nodes: [{ name: 'node-1', address: '127.0.0.1' }],
    },
  })
  t.match(certificateOf(plan, 'apiserver'), { certificateFile: 'pki/apiserver.crt', keyFile: 'pki/apiserver.key' })
  t.throws(() => certificateOf(plan, 'apiserer'), { code: 'TP_NAME_UNKNOWN', fix: 'did you mean "apiserver"?' })
})

/** A variable as a plan writes it. */
const variable = (name: string) => `$\{${name}}`

const bad: { says: string; text: string; problems: string[] }[] = [
  {
    says: 'text that is no YAML',
    text: 'name: [a\n',
    problems: ['bad.yaml:2:1: Flow sequence in block collection must be sufficiently indented and end with a ]'],
  },
  { says: 'a list', text: '- a\n', problems: ['bad.yaml:1:1: expected object, found a list'] },
  {
    says: 'several unknown keys, each with the nearest one',
    text: 'keyAlgoritm: RSA-2048\ncluster:\n  nodename: a\nauthorities:\n  - name: ca\n    file: pki/ca\n    commonName: c\n    validty: 1d\n',
    problems: [
      'bad.yaml:1:1: unknown key "keyAlgoritm", did you mean "keyAlgorithm"?',
      'bad.yaml:3:3: unknown key "nodename", did you mean "nodeName"?',
      'bad.yaml:8:5: unknown key "validty", did you mean "validity"?',
    ],
  },
  {
    says: 'an unknown value, with the nearest one',
    text: 'keyAlgorithm: ECDSA-P265\n',
    problems: ['bad.yaml:1:15: unknown value "ECDSA-P265", did you mean "ECDSA-P256"?'],
  },
  {
    says: 'wrong types',
    text: 'cluster: [a]\nauthorities: ca\n',
    problems: ['bad.yaml:1:10: expected object, found a list', 'bad.yaml:2:14: expected array, found string "ca"'],
  },
  {
    says: 'what is missing',
    text: 'certificates:\n  - name: apiserver\n    file: pki/apiserver\n',
    problems: ['bad.yaml:2:5: "issuer" is missing', 'bad.yaml:2:5: "commonName" is missing'],
  },
  {
    says: 'a duration that is none',
    text: `${valid}certificateValidityPeriod: a year\n`,
    problems: ['bad.yaml:13:28: "a year" is not valid here: As 90s, 10m, 1h30m, 8760h, 365d, 10y.'],
  },
  {
    says: 'an unknown trust slot',
    text: 'trust:\n  etcd.trusted-caa: [ca]\n',
    problems: ['bad.yaml:2:3: unknown key "etcd.trusted-caa", did you mean "etcd.trusted-ca"?'],
  },
  {
    says: 'references to what is not there',
    text: valid.replace('issuer: ca', 'issuer: caa').replace('[ca]', '[ca, etcd]'),
    problems: [
      'bad.yaml:9:13: unknown authority "caa", did you mean "ca"?',
      'bad.yaml:12:34: unknown authority "etcd"; known: ca, apiserver',
    ],
  },
  {
    says: 'an unknown variable',
    text: valid.replace('commonName: kube-apiserver', `commonName: ${variable('nodname')}`),
    problems: [`bad.yaml:10:17: unknown variable ${variable('nodname')}, did you mean ${variable('nodeName')}?`],
  },
  {
    says: 'addresses that are none',
    text: `${valid}cluster: { advertiseAddress: localhost, serviceIP: 10.96.0.256 }\n`,
    problems: ['bad.yaml:13:30: not an IP address: "localhost"', 'bad.yaml:13:52: not an IP address: "10.96.0.256"'],
  },
  {
    says: 'a name and a file used twice',
    text: valid.replace('- name: apiserver', '- name: ca').replace('pki/apiserver', 'pki/ca'),
    problems: [
      'bad.yaml:7:11: the name "ca" is used twice',
      'bad.yaml:8:11: pki/ca.crt is written by ca already',
      'bad.yaml:8:11: pki/ca.key is written by ca already',
    ],
  },
  {
    says: 'a file outside the state directory',
    text: valid.replace('pki/apiserver', '../apiserver'),
    problems: ['bad.yaml:8:11: not a path inside the state directory: ../apiserver'],
  },
  {
    says: 'authorities that issue each other',
    text: 'authorities:\n  - { name: a, file: a, commonName: a, issuer: b }\n  - { name: b, file: b, commonName: b, issuer: a }\n',
    problems: [
      'bad.yaml:2:48: a is, in the end, issued by itself',
      'bad.yaml:3:48: b is, in the end, issued by itself',
    ],
  },
]

for (const { says, text, problems } of bad) {
  t.test(`a plan with ${says} is refused with every place`, async t => {
    t.strictSame(await problemsOf(parsePlan(text, 'bad.yaml')), ['TP_PLAN_INVALID', ...problems])
  })
}

t.test('a Kubernetes version that YAML takes for a number is still that version', async t => {
  t.equal((await parsePlan('kubernetesVersion: 1.30\n', 'p.yaml')).kubernetesVersion, '1.30')
})

t.test('a plan that cannot be read says how to give one', async t => {
  await t.rejects(loadPlan('/nowhere/plan.yaml'), { code: 'TP_FILE_UNREADABLE', message: /\/nowhere\/plan\.yaml/ })
  await t.rejects(loadPlan('no-such-plan'), { code: 'TP_FILE_UNREADABLE' })
})

t.test('changes replace fields, add rows, take rows and slots out, and leave the plan as it was', async t => {
  const plan = await loadPlan('kubeadm')
  const before = JSON.stringify(plan)
  const changed = await applyChanges(plan, {
    certificates: {
      apiserver: { dnsNames: ['a'] },
      monitoring: null,
      extra: { file: 'extra', issuer: 'ca', commonName: 'extra' },
    },
    trust: { 'etcd.trusted-ca': ['ca'], 'kubelet.client-ca': null },
  })
  t.strictSame(certificateOf(changed, 'apiserver').dnsNames, ['a'])
  t.equal(certificateOf(changed, 'apiserver').commonName, 'kube-apiserver')
  t.equal(certificateOf(changed, 'extra').issuer, 'ca')
  t.throws(() => certificateOf(changed, 'monitoring'))
  t.strictSame(changed.trust['etcd.trusted-ca'], ['ca'])
  t.notOk('kubelet.client-ca' in changed.trust)
  t.equal(JSON.stringify(plan), before)
})

t.test('a change holds for every Kubernetes version', async t => {
  const plan = await applyChanges(await loadPlan('kubeadm'), {
    kubernetesVersion: '1.28',
    certificates: { 'apiserver-kubelet-client': { organizations: ['mine'] } },
  })
  t.strictSame(certificateOf(plan, 'apiserver-kubelet-client').organizations, ['mine'])
  t.strictSame(certificateOf(plan, 'apiserver-etcd-client').organizations, ['system:masters'])
})

t.test('changes that do not fit are refused, all at once', async t => {
  const plan = await loadPlan('kubeadm')
  t.strictSame(
    await problemsOf(applyChanges(plan, { certificates: { apiserver: { isuer: 'ca' } } } as never, 'scenario.yaml')),
    ['TP_PLAN_INVALID', 'scenario.yaml: certificates.apiserver.isuer: unknown key "isuer", did you mean "issuer"?'],
  )
  t.strictSame(
    await problemsOf(
      applyChanges(plan, {
        certificates: { apiserver: { issuer: 'etcd-caa' }, 'etcd-serve': null },
        trust: { 'etcd.trusted-ca': ['x'] },
      }),
    ),
    [
      'TP_PLAN_INVALID',
      'changes: certificates.etcd-serve: there is no "etcd-serve" to take out, did you mean "etcd-server"?',
      'changes: certificates.apiserver.issuer: unknown authority "etcd-caa", did you mean "etcd-ca"?',
      'changes: trust.etcd.trusted-ca: unknown authority "x"; known: ca, front-proxy-ca, etcd-ca, apiserver, apiserver-kubelet-client, front-proxy-client, etcd-server, etcd-peer, etcd-healthcheck-client, apiserver-etcd-client, kubelet, kube-controller-manager, kube-scheduler, extension-apiserver, monitoring',
    ],
  )
})

t.test('a plan may extend another, and its problems stand where they are written', async t => {
  const dir = t.testdir({ 'base.yaml': valid, 'child.yaml': '' })
  const child = join(dir, 'child.yaml')
  writeFileSync(
    child,
    'extends: base.yaml\nchanges:\n  keyAlgorithm: RSA-2048\n  certificates:\n    apiserver: { dnsNames: [a] }\n',
  )
  const plan = await loadPlan(child)
  t.match(plan, { name: 'child', keyAlgorithm: 'RSA-2048' })
  t.strictSame(certificateOf(plan, 'apiserver').dnsNames, ['a'])
  t.equal(certificateOf(plan, 'apiserver').file, 'pki/apiserver')
  writeFileSync(child, 'extends: base.yaml\nchanges:\n  certificates:\n    apiserver: { issuer: b }\n')
  t.strictSame(await problemsOf(loadPlan(child)), [
    'TP_PLAN_INVALID',
    `${child}:4:26: unknown authority "b"; known: ca`,
  ])
  writeFileSync(child, 'extends: child.yaml\n')
  t.strictSame(await problemsOf(loadPlan(child)), [
    'TP_PLAN_INVALID',
    `${child}:1:10: this plan extends, in the end, itself`,
  ])
})

t.test('the schema and the code know the same trust slots', async t => {
  const plan = await loadPlan('kubeadm')
  t.strictSame(Object.keys(plan.trust).sort(), [...trustSlotNames].sort())
  for (const slot of trustSlotNames) {
    t.strictSame(await problemsOf(applyChanges(plan, { trust: { [slot as TrustSlot]: ['ca'] } })), [])
  }
})
