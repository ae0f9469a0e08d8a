import t from 'tap'
import { rulesOf } from '#components/kube-proxy/rules.ts'
import type { EndpointSlice, Service } from '#kubernetes/types.ts'

const service = (spec: Service['spec']): Service => ({ metadata: { name: 'web', namespace: 'default' }, spec: spec! })
const slice = (more: Partial<EndpointSlice> = {}): EndpointSlice => ({
  metadata: { name: 'web-1', namespace: 'default', labels: { 'kubernetes.io/service-name': 'web' } },
  addressType: 'IPv4',
  endpoints: [{ addresses: ['10.244.0.2'] }, { addresses: ['10.244.0.3'], conditions: { ready: false } }],
  ports: [{ name: 'http', port: 8080 }],
  ...more,
})
const web = service({ clusterIP: '10.96.0.7', ports: [{ name: 'http', port: 80 }] })

t.test('a service port leads to the ready endpoints of its slices', async t => {
  t.strictSame(rulesOf([web], [slice()]), [
    { name: 'default/web:http', clusterIP: '10.96.0.7', port: 80, protocol: 'TCP', endpoints: ['10.244.0.2:8080'] },
  ])
})

t.test('an endpoint in two slices counts once, and another service’s slice not at all', async t => {
  const other = slice({
    metadata: { name: 'x', namespace: 'default', labels: { 'kubernetes.io/service-name': 'api' } },
  })
  t.strictSame(rulesOf([web], [slice(), slice(), other])[0]!.endpoints, ['10.244.0.2:8080'])
})

t.test('a port that no slice has leads nowhere', async t => {
  t.strictSame(rulesOf([web], [slice({ ports: [{ name: 'metrics', port: 9 }] })])[0]!.endpoints, [])
})

for (const spec of [{ clusterIP: 'None', ports: [{ port: 80 }] }, { type: 'ExternalName' }, {}]) {
  t.test(`no rules for ${JSON.stringify(spec)}`, async t => t.strictSame(rulesOf([service(spec)], [slice()]), []))
}
