import t from 'tap'
import { component as kubeProxy } from '#components/kube-proxy/index.ts'
import { resources } from '#kubernetes/resources.ts'
import { startCluster, until } from '../cluster.ts'

t.test(
  'kube-proxy follows services and their endpoints with its certificate, and serves what it knows in plain HTTP',
  async t => {
    const cluster = await startCluster(t)
    const { admin, file, start, records } = cluster
    const { addresses } = await start(kubeProxy, [
      `--kubeconfig=${file('kube-proxy.conf')}`,
      '--hostname-override=node-1',
      '--healthz-bind-address=127.0.0.1:0',
      '--metrics-bind-address=127.0.0.1:0',
    ])
    const get = async (name: 'healthz' | 'metrics', path: string) => {
      const answer = await fetch(`http://127.0.0.1:${addresses[name]!.port}${path}`)
      return { status: answer.status, text: await answer.text() }
    }
    await until('it is synced', async () => (await get('healthz', '/healthz')).status === 200)
    t.equal((await get('metrics', '/proxyMode')).text, 'iptables')

    await admin.create(resources.services, {
      metadata: { name: 'web', namespace: 'default' },
      spec: { ports: [{ name: 'http', port: 80, targetPort: 8080 }] },
    })
    await admin.create(resources.endpointslices, {
      metadata: { name: 'web-1', namespace: 'default', labels: { 'kubernetes.io/service-name': 'web' } },
      addressType: 'IPv4',
      endpoints: [
        { addresses: ['10.244.1.2'], conditions: { ready: true } },
        { addresses: ['10.244.1.3'], conditions: { ready: false } },
      ],
      ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    })
    const rule = await until('the rule', async () => {
      const rules = JSON.parse((await get('metrics', '/rules')).text) as { name: string; endpoints: string[] }[]
      const found = rules.find(({ name }) => name === 'default/web:http')
      return found && found.endpoints.length > 0 ? found : undefined
    })
    t.strictSame(rule.endpoints, ['10.244.1.2:8080'], 'ready ones only')
    t.match((await get('metrics', '/metrics')).text, /kubeproxy_sync_proxy_rules_last_timestamp_seconds/)
    const record = await records.find(({ from, end }) => from === 'kube-proxy' && end === 'client')
    t.match(record, { to: 'kube-apiserver', outcome: 'ok', own: { subject: /CN=system:kube-proxy/ } })

    await admin.delete(resources.services, { namespace: 'default', name: 'web' })
    await until('the rule is gone', async () => !(await get('metrics', '/rules')).text.includes('default/web'))
  },
)
