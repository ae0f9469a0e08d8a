/** The scenario that `trustplane new scenario` writes: it runs as it is, and says what may be changed. */
import { connectionNames } from '#mesh/connections.ts'
import { faults } from './faults/index.ts'
import { notices } from './notices/index.ts'
import { type StepSpec, steps } from './steps.ts'

/** @param schema path of scenario.schema.json, relative to the file: editors complete and check by it */
export function scenarioTemplate(schema: string): string {
  const lines = (rows: readonly { name: string; keys?: readonly string[]; words: string }[], indent = '') =>
    rows
      .map(
        ({ name, keys, words }) =>
          `${indent}#   ${name}${keys ? `: { ${keys.join(', ')} }` : ''}\n${indent}#       ${words}`,
      )
      .join('\n')
  const faultLines = faults.map(({ name, summary, attributes }) => ({
    name,
    keys: Object.keys(attributes),
    words: summary,
  }))
  const stepLines = (steps as readonly StepSpec[]).map(({ name, description, attributes }) => ({
    name,
    words: description,
    ...(attributes ? { keys: Object.keys(attributes) } : {}),
  }))
  const noticeLines = notices.map(({ name, description, attributes }) => ({
    name,
    keys: Object.keys(attributes),
    words: description,
  }))
  return `# yaml-language-server: $schema=${schema}
title: The scheduler’s certificate has expired
story: |
  What people saw: new pods stay Pending. What was the matter: nobody renewed scheduler.conf.
# source: https://… (where it happened)

given:
  plan: kubeadm # a plan of certs/
  # nodes: 2
  # What is broken when the mesh starts. There are:
${lines(faultLines, '  ')}
  faults:
    - expired-certificate: { certificate: scheduler.conf, ago: 1d }
  # Or directly, as in a plan's \`changes\` (authorities, certificates, kubeconfigs, trust, …):
  # certificates: { apiserver: { dnsNames: [node-1] } }
  # trust: { etcd.trusted-ca: [ca] }
  # And: flags by component, clocks, files (a mode, or content | from | remove), Kubernetes objects:
  # flags: { kube-apiserver: ['--anonymous-auth=false'] }
  # clock: { all: 364d, kubelet: -10m }
  # files: { pki/ca.key: '0644' }
  # objects:
  #   - { apiVersion: v1, kind: ConfigMap, metadata: { name: hello } }

# What is done before anybody looks; also what \`fix\` may hold. There are:
${lines(stepLines)}
# A step \`expect\` or \`notices\` looks in between, so that a story can have several acts.
steps:
  - apply:
      apiVersion: v1
      kind: Pod
      metadata: { name: web }
      spec: { containers: [{ name: web, image: web }] }

# What every connection comes to: ok, unreachable, any, or a refusal. There are:
${connectionNames.map(name => `#   ${name}`).join('\n')}
# \`* -> kubelet\` and \`monitoring -> *\` stand for several; \`others\` is every row that is not named.
expect:
  kube-scheduler -> kube-apiserver:
    refusedBy: server # client | server
    layer: authentication # tls (inside the handshake) | authentication (401) | authorization (403)
    reason: expired
    words: # a part of what each end says
      client: Unauthorized
      server: 'x509: certificate has expired or is not yet valid'
  others: ok

# What people notice then. There are:
${lines(noticeLines)}
# Each is waited for: within: 5s, or as you say.
notices:
  - pod: { name: web, is: Pending }
  - log: { component: kube-scheduler, says: Unauthorized }

# What mends it; afterwards every connection is ok. Left out: what undoes \`given\`.
fix:
  - renew: scheduler.conf
  - restart: kube-scheduler
  - notices:
      - pod: { name: web, is: Running }
`
}
