/** Pods, deployments, services, namespaces: defaults, admission, bindings, graceful deletion, scale and status. */
import t from 'tap'
import { pod, pods, serviceAccount, startApi } from './api.ts'

const deployments = '/apis/apps/v1/namespaces/default/deployments'
const deployment = (name: string) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name },
  spec: {
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'web', image: 'nginx' }] } },
  },
})

t.test('workloads', async t => {
  const { call } = await startApi(t)

  t.test('a pod needs its service account', async t => {
    const { status, body } = await call('POST', pods, pod('early'))
    t.equal(status, 403)
    t.equal(
      body.message,
      'pods "early" is forbidden: error looking up service account default/default: serviceaccount "default" not found',
    )
    await call('POST', '/api/v1/namespaces/default/serviceaccounts', serviceAccount())
  })

  t.test('a pod gets its defaults, a token to mount, and two tolerations', async t => {
    const { status, body } = await call('POST', pods, pod('p'))
    t.equal(status, 201)
    t.match(body.spec, {
      restartPolicy: 'Always',
      terminationGracePeriodSeconds: 30,
      dnsPolicy: 'ClusterFirst',
      serviceAccountName: 'default',
      schedulerName: 'default-scheduler',
      containers: [
        { imagePullPolicy: 'Always', volumeMounts: [{ mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' }] },
      ],
      tolerations: [
        { key: 'node.kubernetes.io/not-ready', tolerationSeconds: 300 },
        { key: 'node.kubernetes.io/unreachable' },
      ],
    })
    t.match(body.status, { phase: 'Pending', qosClass: 'BestEffort' })
  })

  t.test('a pod without a container, or with an odd restart policy, is invalid', async t => {
    const { status, body } = await call('POST', pods, pod('bad', { containers: [], restartPolicy: 'Sometimes' }))
    t.equal(status, 422)
    t.match(
      body.message,
      /^Pod "bad" is invalid: \[spec.containers: Required value, spec.restartPolicy: Unsupported value: "Sometimes"/,
    )
    t.equal(body.details.causes.length, 2)
  })

  t.test('a pod is bound once', async t => {
    const binding = {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { name: 'p' },
      target: { kind: 'Node', name: 'node-1' },
    }
    t.equal((await call('POST', `${pods}/p/binding`, binding)).status, 201)
    const { body } = await call('GET', `${pods}/p`)
    t.equal(body.spec.nodeName, 'node-1')
    t.match(body.status.conditions, [{ type: 'PodScheduled', status: 'True' }])
    const again = await call('POST', `${pods}/p/binding`, binding)
    t.equal(again.status, 409)
    t.match(again.body.message, /pod p is already assigned to node "node-1"/)
  })

  t.test('a status update changes the status, and an update of the pod does not', async t => {
    const { body } = await call('GET', `${pods}/p`)
    const status = { ...body.status, phase: 'Running' }
    const sent = await call('PUT', `${pods}/p/status`, {
      ...body,
      spec: { ...body.spec, nodeName: 'elsewhere' },
      status,
    })
    t.equal(sent.body.status.phase, 'Running')
    t.equal(sent.body.spec.nodeName, 'node-1')
    const whole = await call('PUT', `${pods}/p`, { ...sent.body, status: { phase: 'Failed' } })
    t.equal(whole.body.status.phase, 'Running')
    const changed = structuredClone(whole.body)
    changed.spec.restartPolicy = 'Never'
    t.match(
      (await call('PUT', `${pods}/p`, changed)).body.message,
      /spec: Forbidden: pod updates may not change fields other than/,
    )
  })

  t.test('a running pod is given its grace period; its kubelet ends it', async t => {
    const asked = await call('DELETE', `${pods}/p`)
    t.match(asked.body.metadata, { deletionTimestamp: /Z$/, deletionGracePeriodSeconds: 30 })
    t.equal((await call('GET', `${pods}/p`)).status, 200)
    t.equal(
      (await call('DELETE', `${pods}/p`, { kind: 'DeleteOptions', apiVersion: 'v1', gracePeriodSeconds: 0 })).status,
      200,
    )
    t.equal((await call('GET', `${pods}/p`)).status, 404)
  })

  t.test('a pod without a node goes at once; so does an evicted one', async t => {
    await call('POST', pods, pod('q'))
    await call('DELETE', `${pods}/q`)
    t.equal((await call('GET', `${pods}/q`)).status, 404)
    await call('POST', pods, pod('r'))
    t.equal(
      (await call('POST', `${pods}/r/eviction`, { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'r' } }))
        .status,
      201,
    )
    t.equal((await call('GET', `${pods}/r`)).status, 404)
  })

  t.test('a deployment counts changes of its spec as generations', async t => {
    const { body } = await call('POST', deployments, deployment('web'))
    t.match(body, {
      metadata: { generation: 1 },
      spec: { replicas: 1, strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%' } } },
    })
    const type = { 'content-type': 'application/merge-patch+json' }
    const labelled = await call('PATCH', `${deployments}/web`, { metadata: { labels: { a: 'b' } } }, type)
    t.equal(labelled.body.metadata.generation, 1)
    const scaled = await call('PATCH', `${deployments}/web/scale`, { spec: { replicas: 3 } }, type)
    t.match(scaled.body, {
      kind: 'Scale',
      apiVersion: 'autoscaling/v1',
      spec: { replicas: 3 },
      status: { selector: 'app=web' },
    })
    const { body: after } = await call('GET', `${deployments}/web`)
    t.equal(after.metadata.generation, 2)
    const moved = await call('PUT', `${deployments}/web`, {
      ...after,
      spec: { ...after.spec, selector: { matchLabels: { app: 'other' } } },
    })
    t.equal(moved.status, 422)
  })

  t.test('services get addresses of their own', async t => {
    const service = (name: string, spec: object) => ({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name },
      spec: { ports: [{ port: 80 }], ...spec },
    })
    const path = '/api/v1/namespaces/default/services'
    const one = await call('POST', path, service('one', { type: 'NodePort' }))
    t.match(one.body.spec, {
      clusterIP: /^10\./,
      ipFamilies: ['IPv4'],
      ports: [{ protocol: 'TCP', targetPort: 80, nodePort: Number }],
    })
    const taken = await call('POST', path, service('two', { clusterIP: one.body.spec.clusterIP }))
    t.match(taken.body.message, /provided IP is already allocated/)
    const outside = await call('POST', path, service('two', { clusterIP: '192.0.2.1' }))
    t.match(outside.body.message, /The range of valid IPs is 10.96.0.0\/12/)
    t.equal((await call('POST', path, service('none', { clusterIP: 'None' }))).body.spec.clusterIP, 'None')
    t.equal((await call('GET', `${path}/kubernetes`)).body.spec.clusterIP, '10.96.0.1')
  })

  t.test('a namespace that goes takes nothing new, and is gone when it is finalized', async t => {
    const ns = '/api/v1/namespaces'
    await call('POST', ns, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'going' } })
    const deleted = await call('DELETE', `${ns}/going`)
    t.match(deleted.body.status, { phase: 'Terminating' })
    const late = await call('POST', `${ns}/going/configmaps`, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'late' },
    })
    t.equal(late.status, 403)
    t.match(late.body.message, /unable to create new content in namespace going because it is being terminated/)
    const { body } = await call('GET', `${ns}/going`)
    await call('PUT', `${ns}/going/finalize`, { ...body, spec: { finalizers: [] } })
    t.equal((await call('GET', `${ns}/going`)).status, 404)
    t.match(
      (await call('DELETE', `${ns}/default`)).body.message,
      /namespaces "default" is forbidden: this namespace may not be deleted/,
    )
    t.match(
      (await call('POST', `${ns}/nowhere/configmaps`, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x' } }))
        .body.message,
      /namespaces "nowhere" not found/,
    )
  })

  t.test('secrets are checked; stringData is written as data', async t => {
    const path = '/api/v1/namespaces/default/secrets'
    const made = await call('POST', path, {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 's' },
      stringData: { a: 'b' },
    })
    t.match(made.body, { type: 'Opaque', data: { a: 'Yg==' } })
    t.equal(made.body.stringData, undefined)
    const tls = await call('POST', path, {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'tls' },
      type: 'kubernetes.io/tls',
    })
    t.match(tls.body.message, /data\[tls.crt\]: Required value, data\[tls.key\]: Required value/)
  })
})
