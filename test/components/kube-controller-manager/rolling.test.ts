import t from 'tap'
import {
  fenceposts,
  newSetSize,
  oldSetSizes,
} from '#components/kube-controller-manager/controllers/deployment/rolling.ts'
import {
  newestOf,
  sameTemplate,
  templateHash,
} from '#components/kube-controller-manager/controllers/deployment/template.ts'
import type { Deployment, PodTemplateSpec, ReplicaSet } from '#kubernetes/types.ts'

const template = (image: string): PodTemplateSpec => ({
  metadata: { labels: { app: 'web' } },
  spec: { containers: [{ name: 'web', image }] },
})
const deployment = (replicas: number, strategy?: Deployment['spec']['strategy']): Deployment => ({
  metadata: { name: 'web' },
  spec: { replicas, selector: {}, template: template('nginx:2'), ...(strategy ? { strategy } : {}) },
})
const set = (name: string, replicas: number, available = replicas): ReplicaSet => ({
  metadata: { name },
  spec: { replicas, selector: {}, template: template(name) },
  status: { replicas, availableReplicas: available },
})

const posts: [replicas: number, rollingUpdate: object | undefined, expected: object][] = [
  [3, undefined, { maxSurge: 1, maxUnavailable: 0 }],
  [10, undefined, { maxSurge: 3, maxUnavailable: 2 }],
  [4, { maxSurge: '50%', maxUnavailable: 1 }, { maxSurge: 2, maxUnavailable: 1 }],
  [3, { maxSurge: 0, maxUnavailable: '10%' }, { maxSurge: 0, maxUnavailable: 1 }],
  [2, { maxSurge: 0, maxUnavailable: 5 }, { maxSurge: 0, maxUnavailable: 2 }],
]
for (const [replicas, rollingUpdate, expected] of posts) {
  t.test(
    `${replicas} replicas with ${JSON.stringify(rollingUpdate)} move within ${JSON.stringify(expected)}`,
    async t => {
      t.strictSame(fenceposts(deployment(replicas, rollingUpdate ? { rollingUpdate } : undefined)), expected)
    },
  )
}

t.test('the new set grows into the surge, and shrinks at once', async t => {
  const newest = set('nginx:2', 0)
  t.equal(newSetSize(deployment(3), newest, [newest, set('nginx:1', 3)]), 1)
  t.equal(newSetSize(deployment(3), set('nginx:2', 5), [set('nginx:2', 5)]), 3)
})

t.test('old sets shrink only as far as new pods are available', async t => {
  const old = set('nginx:1', 3)
  t.strictSame(oldSetSizes(deployment(3), set('nginx:2', 1, 0), [old]), [])
  t.strictSame(oldSetSizes(deployment(3), set('nginx:2', 1, 1), [old]), [{ set: old, replicas: 2 }])
})

t.test('old pods that are not available go first', async t => {
  const broken = set('nginx:0', 2, 0)
  const good = set('nginx:1', 2, 2)
  t.strictSame(oldSetSizes(deployment(3), set('nginx:2', 1, 1), [broken, good])[0], { set: broken, replicas: 0 })
})

t.test('a template is the same whatever the order of its keys and whatever hash it was labelled with', async t => {
  const { metadata, spec } = template('nginx:1')
  const labelled = { spec, metadata: { labels: { 'pod-template-hash': 'x', ...metadata!.labels } } }
  t.ok(sameTemplate(template('nginx:1'), labelled))
  t.notOk(sameTemplate(template('nginx:1'), template('nginx:2')))
  t.equal(newestOf(deployment(1), [set('nginx:1', 1), set('nginx:2', 1)])?.metadata.name, 'nginx:2')
})

t.test('hashes differ by template and by collision, and hold no vowel', async t => {
  const hashes = [templateHash(template('a')), templateHash(template('b')), templateHash(template('a'), 1)]
  t.equal(new Set(hashes).size, 3)
  for (const hash of hashes) t.match(hash, /^[bcdfghjklmnpqrstvwxz2456789]{1,10}$/)
})
