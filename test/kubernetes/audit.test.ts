import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { attributesOf, requestInfo } from '#kubernetes/attributes.ts'
import { createAuditLog } from '#kubernetes/audit-log.ts'
import { type AuditPolicy, evaluateAudit, loadAuditPolicy } from '#kubernetes/audit-policy.ts'
import { silentLog } from '#log.ts'

const policy: AuditPolicy = {
  omitStages: ['RequestReceived'],
  rules: [
    {
      level: 'None',
      users: ['system:kube-proxy'],
      verbs: ['watch'],
      resources: [{ group: '', resources: ['endpoints', 'services'] }],
    },
    { level: 'None', userGroups: ['system:nodes'] },
    {
      level: 'Request',
      resources: [{ group: '', resources: ['configmaps'], resourceNames: ['one'] }],
      namespaces: ['kube-system'],
    },
    {
      level: 'RequestResponse',
      resources: [{ group: '', resources: ['pods/log', 'pods/*'] }],
      omitStages: ['ResponseStarted'],
    },
    { level: 'None', nonResourceURLs: ['/api*', '/version'] },
    { level: 'Metadata' },
  ],
}
const bob = { username: 'bob', groups: ['dev'] }
const cases: [who: { username: string; groups: string[] }, method: string, url: string, level: string][] = [
  [{ username: 'system:kube-proxy', groups: [] }, 'GET', '/api/v1/services?watch=true', 'None'],
  [{ username: 'system:kube-proxy', groups: [] }, 'GET', '/api/v1/services', 'Metadata'],
  [{ username: 'n', groups: ['system:nodes'] }, 'GET', '/api/v1/pods', 'None'],
  [bob, 'GET', '/api/v1/namespaces/kube-system/configmaps/one', 'Request'],
  [bob, 'GET', '/api/v1/namespaces/kube-system/configmaps/two', 'Metadata'],
  [bob, 'GET', '/api/v1/namespaces/default/configmaps/one', 'Metadata'],
  [bob, 'GET', '/api/v1/namespaces/a/pods/p/log', 'RequestResponse'],
  [bob, 'POST', '/api/v1/namespaces/a/pods/p/binding', 'RequestResponse'],
  [bob, 'GET', '/api/v1/namespaces/a/pods/p', 'Metadata'],
  [bob, 'GET', '/apis', 'None'],
  [bob, 'GET', '/version', 'None'],
  [bob, 'GET', '/metrics', 'Metadata'],
]
for (const [who, method, url, level] of cases) {
  t.test(`${who.username} ${method} ${url} is audited at ${level}`, async t => {
    t.equal(evaluateAudit(policy, attributesOf(who, requestInfo(method, url))).level, level)
  })
}

t.test('stages are left out by the policy and by the rule', async t => {
  const log = attributesOf(bob, requestInfo('GET', '/api/v1/namespaces/a/pods/p/log'))
  t.strictSame(evaluateAudit(policy, log).omitStages, ['RequestReceived', 'ResponseStarted'])
})

t.test('a request that no rule takes is not audited', async t => {
  t.equal(evaluateAudit({ rules: [] }, attributesOf(bob, requestInfo('GET', '/'))).level, 'None')
})

const files: [name: string, text: string, message: RegExp][] = [
  ['no policy', 'kind: Pod\napiVersion: v1', /no kind "Pod" is registered for version "v1"/],
  ['no rules', 'kind: Policy\napiVersion: audit.k8s.io/v1', /loaded illegal policy with 0 rules/],
  [
    'an unknown level',
    'kind: Policy\napiVersion: audit.k8s.io/v1\nrules: [{level: All}]',
    /rules\[0\]\.level: Unsupported value: "All"/,
  ],
  [
    'an unknown stage',
    'kind: Policy\napiVersion: audit.k8s.io/v1\nrules: [{level: None}]\nomitStages: [X]',
    /omitStages: Invalid value: "X"/,
  ],
  ['broken YAML', 'kind: [', /failed decoding: yaml: /],
]
for (const [name, text, message] of files) {
  t.test(`a policy file with ${name} is refused`, async t => {
    const path = join(t.testdir(), 'policy.yaml')
    writeFileSync(path, text)
    t.throws(() => loadAuditPolicy(path), { message, at: { file: path } })
  })
}

t.test('a policy file is read', async t => {
  const path = join(
    t.testdir({ 'p.yaml': 'apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- level: Metadata\n' }),
    'p.yaml',
  )
  t.strictSame(loadAuditPolicy(path).rules, [{ level: 'Metadata' }])
  t.throws(() => loadAuditPolicy('/nowhere.yaml'), {
    message: 'loading audit policy file: failed to read file path "/nowhere.yaml"',
  })
})

t.test('the log is appended to, for its owner alone, and turned over when it is full', async t => {
  const dir = t.testdir()
  const path = join(dir, 'audit.log')
  const log = createAuditLog({ path, maxSizeMb: 0.001, maxBackups: 2, log: silentLog })
  const line = `${'x'.repeat(600)}\n`
  for (let i = 0; i < 6; i++) {
    log.write(line)
    while (!readdirSync(dir).includes('audit.log')) await new Promise(resolve => setTimeout(resolve, 2))
    await new Promise(resolve => setTimeout(resolve, 5))
  }
  await log.close()
  t.equal(statSync(path).mode & 0o777, 0o600)
  t.match(readFileSync(path, 'utf8'), /^(x{600}\n)+$/)
  const backups = readdirSync(dir).filter(name => name !== 'audit.log')
  t.equal(backups.length, 2)
  t.ok(backups.every(name => /^audit-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}\.log$/.test(name)))
})
