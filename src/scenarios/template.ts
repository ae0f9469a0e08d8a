/** The scenario that `trustplane new scenario` writes: it runs as it is, and says what may be changed. */
import { connectionNames } from '#mesh/connections.ts'
import { faults } from './faults/index.ts'
import { steps } from './steps.ts'

/** @param schema path of scenario.schema.json, relative to the file: editors complete and check by it */
export function scenarioTemplate(schema: string): string {
  const faultLines = faults.map(
    ({ name, summary, attributes }) => `#   ${name}: { ${Object.keys(attributes).join(', ')} }\n#       ${summary}`,
  )
  const stepLines = steps.map(({ name, description }) => `#   ${name}: ${description}`)
  return `# yaml-language-server: $schema=${schema}
title: The scheduler’s certificate has expired
story: |
  What people saw: new pods stay Pending. What was the matter: nobody renewed scheduler.conf.
# source: https://… (where it happened)

given:
  plan: kubeadm # a plan of certs/
  # What is broken when the mesh starts. There are:
${faultLines.join('\n').replaceAll(/^#/gm, '  #')}
  faults:
    - expired-certificate: { certificate: scheduler.conf, ago: 1d }

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

# What mends it; afterwards every connection is ok. There are:
${stepLines.join('\n')}
fix:
  - renew: scheduler.conf
  - restart: kube-scheduler
`
}
