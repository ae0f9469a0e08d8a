/** Where the apiserver is the client: webhooks, aggregated APIs, kubelets. Each over TLS that it checks. */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { component as extension } from '#components/extension-apiserver/index.ts'
import { configMap, configMaps, pod, pods, serviceAccount, startApi } from './api.ts'

t.test('outward', async t => {
  const { call, cluster } = await startApi(t)
  const file = (name: string) => cluster.file(name)
  const running = await cluster.start(extension, [
    '--bind-address=127.0.0.1',
    '--secure-port=0',
    `--tls-cert-file=${file('extension-apiserver/apiserver.crt')}`,
    `--tls-private-key-file=${file('extension-apiserver/apiserver.key')}`,
    `--client-ca-file=${file('pki/ca.crt')}`,
    `--requestheader-client-ca-file=${file('pki/front-proxy-ca.crt')}`,
    '--requestheader-allowed-names=front-proxy-client',
    '--requestheader-username-headers=X-Remote-User',
    '--requestheader-group-headers=X-Remote-Group',
    '--requestheader-extra-headers-prefix=X-Remote-Extra-',
  ])
  const { port } = running.addresses.secure!
  const right = readFileSync(file('extension-apiserver/apiserver.crt')).toString('base64')
  const wrong = readFileSync(file('pki/ca.crt')).toString('base64')
  const service = { namespace: 'kube-system', name: 'extension-apiserver', port }
  await call('POST', '/api/v1/namespaces/kube-system/services', {
    kind: 'Service',
    apiVersion: 'v1',
    metadata: { name: service.name },
    spec: { type: 'ExternalName', externalName: '127.0.0.1', ports: [{ port }] },
  })

  const apiServices = '/apis/apiregistration.k8s.io/v1/apiservices'
  const available = async (status: string) => {
    for (;;) {
      const { body } = await call('GET', `${apiServices}/v1beta1.metrics.k8s.io`)
      const condition = body.status.conditions?.find(({ type }: { type: string }) => type === 'Available')
      if (condition?.status === status) return condition
      await new Promise(resolve => setTimeout(resolve, 10))
    }
  }

  t.test('an aggregated API is served through the front proxy, and is in discovery', async t => {
    await call('POST', apiServices, {
      kind: 'APIService',
      apiVersion: 'apiregistration.k8s.io/v1',
      metadata: { name: 'v1beta1.metrics.k8s.io' },
      spec: {
        group: 'metrics.k8s.io',
        version: 'v1beta1',
        groupPriorityMinimum: 100,
        versionPriority: 100,
        service,
        caBundle: right,
      },
    })
    t.match(await available('True'), { reason: 'Passed', message: 'all checks passed' })
    const answer = await call('GET', '/apis/metrics.k8s.io/v1beta1/nodes')
    t.match(answer.body, { kind: 'NodeMetricsList' })
    const { body } = await call('GET', '/apis', undefined, {
      accept: 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList',
    })
    t.match(
      body.items.find(({ metadata }: { metadata: { name: string } }) => metadata.name === 'metrics.k8s.io'),
      {
        versions: [
          { version: 'v1beta1', freshness: 'Current', resources: [{ responseKind: { kind: /Metrics/ } }, {}] },
        ],
      },
    )
    t.ok(
      cluster.records.records.some(
        ({ from, to, end, outcome, own }) =>
          from === 'kube-apiserver' &&
          to === 'extension-apiserver' &&
          end === 'client' &&
          outcome === 'ok' &&
          own?.subject.includes('front-proxy-client'),
      ),
    )
  })

  t.test('one whose certificate does not verify is unavailable, and says why', async t => {
    await call(
      'PATCH',
      `${apiServices}/v1beta1.metrics.k8s.io`,
      { spec: { caBundle: wrong } },
      { 'content-type': 'application/merge-patch+json' },
    )
    const { reason, message } = await available('False')
    t.equal(reason, 'FailedDiscoveryCheck')
    t.match(
      message,
      /^failing or missing response from https:\/\/127\.0\.0\.1:\d+\/apis\/metrics\.k8s\.io\/v1beta1: Get ".*": tls: failed to verify certificate: x509: certificate signed by unknown authority/,
    )
    const answer = await call('GET', '/apis/metrics.k8s.io/v1beta1/nodes')
    t.equal(answer.status, 503)
    t.equal(answer.text, 'service unavailable\n')
    await call('DELETE', `${apiServices}/v1beta1.metrics.k8s.io`)
  })

  const webhooks = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations'
  const configuration = (caBundle: string, failurePolicy = 'Fail') => ({
    kind: 'ValidatingWebhookConfiguration',
    apiVersion: 'admissionregistration.k8s.io/v1',
    metadata: { name: 'test' },
    webhooks: [
      {
        name: 'validate.example.com',
        admissionReviewVersions: ['v1'],
        sideEffects: 'None',
        failurePolicy,
        clientConfig: { service: { ...service, path: '/validate' }, caBundle },
        rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['configmaps'] }],
      },
    ],
  })
  const denied = configMap('denied', {}, { labels: { 'trustplane.io/deny': 'true' } })
  /** The informer is a moment behind. */
  const untilAnswer = async (pattern: RegExp) => {
    for (let i = 0; ; i++) {
      const answer = await call('POST', `${configMaps}?dryRun=All`, denied)
      if (pattern.test(answer.body.message ?? 'created') || i === 500) return answer
    }
  }

  t.test('a webhook says no, in its own words', async t => {
    const made = await call('POST', webhooks, configuration(right))
    t.equal(made.status, 201, made.text)
    t.match(made.body.webhooks[0], { timeoutSeconds: 10, matchPolicy: 'Equivalent', rules: [{ scope: '*' }] })
    const { status, body } = await untilAnswer(/denied/)
    t.equal(status, 403)
    t.match(body.message, /^admission webhook "validate.example.com" denied the request: /)
    t.equal((await call('POST', configMaps, configMap('fine'))).status, 201)
  })

  t.test('one whose CA bundle is stale fails the write, unless failures are to be ignored', async t => {
    await call('PUT', `${webhooks}/test`, configuration(wrong))
    const { status, body } = await untilAnswer(/failed calling/)
    t.equal(status, 500)
    t.match(
      body.message,
      /^Internal error occurred: failed calling webhook "validate.example.com": failed to call webhook: Post "https:\/\/extension-apiserver\.kube-system\.svc:\d+\/validate\?timeout=10s": tls: failed to verify certificate: x509: certificate signed by unknown authority/,
    )
    await call('PUT', `${webhooks}/test`, configuration(wrong, 'Ignore'))
    t.equal((await untilAnswer(/created/)).status, 201)
    await call('DELETE', `${webhooks}/test`)
  })

  t.test('a kubelet that is not there fails logs with the transport’s words', async t => {
    await call('POST', '/api/v1/namespaces/default/serviceaccounts', serviceAccount())
    await call('POST', '/api/v1/nodes', {
      kind: 'Node',
      apiVersion: 'v1',
      metadata: { name: 'gone' },
    })
    await call(
      'PATCH',
      '/api/v1/nodes/gone/status',
      {
        status: {
          addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
          daemonEndpoints: { kubeletEndpoint: { Port: 1 } },
        },
      },
      { 'content-type': 'application/merge-patch+json' },
    )
    await call('POST', pods, pod('p', { nodeName: 'gone' }))
    const { status, body } = await call('GET', `${pods}/p/log`)
    t.equal(status, 500)
    t.equal(
      body.message,
      'Get "https://127.0.0.1:1/containerLogs/default/p/web": dial tcp 127.0.0.1:1: connect: connection refused',
    )
    const other = await call('GET', `${pods}/p/log?container=none`)
    t.match(other.body, { code: 400, message: 'container none is not valid for pod p' })
  })

  t.test('a kubelet that knows another CA answers 401, which logs pass on', async t => {
    // The extension apiserver stands in for it: it asks for a certificate of the front proxy.
    await call(
      'PATCH',
      '/api/v1/nodes/gone/status',
      { status: { daemonEndpoints: { kubeletEndpoint: { Port: port } } } },
      { 'content-type': 'application/merge-patch+json' },
    )
    const { status, body } = await call('GET', `${pods}/p/log`)
    t.equal(status, 500)
    t.match(body.message, /x509: /, 'a self-signed serving certificate is refused first')
  })
})
