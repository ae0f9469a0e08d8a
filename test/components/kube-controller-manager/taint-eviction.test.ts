import t from 'tap'
import { evictionDelayMs } from '#components/kube-controller-manager/controllers/taint-eviction.ts'
import type { Pod, PodSpec, Taint } from '#kubernetes/types.ts'

const now = new Date('2026-11-24T12:00:00Z')
const unreachable: Taint = {
  key: 'node.kubernetes.io/unreachable',
  effect: 'NoExecute',
  timeAdded: '2026-11-24T11:59:50Z',
}
const other: Taint = { key: 'maintenance', value: 'now', effect: 'NoExecute' }
const pod = (tolerations: PodSpec['tolerations'] & object): Pod => ({
  metadata: {},
  spec: { containers: [], tolerations },
})
const exists = (key: string, tolerationSeconds?: number) => ({
  key,
  operator: 'Exists',
  effect: 'NoExecute',
  ...(tolerationSeconds === undefined ? {} : { tolerationSeconds }),
})

const cases: { name: string; pod: Pod; taints: Taint[]; delay: number | undefined }[] = [
  { name: 'goes at once without a toleration', pod: pod([]), taints: [unreachable], delay: 0 },
  {
    name: 'stays with one that has no end',
    pod: pod([exists(unreachable.key)]),
    taints: [unreachable],
    delay: undefined,
  },
  {
    name: 'has what is left since the taint came',
    pod: pod([exists(unreachable.key, 300)]),
    taints: [unreachable],
    delay: 290_000,
  },
  {
    name: 'goes at once when that has passed',
    pod: pod([exists(unreachable.key, 5)]),
    taints: [unreachable],
    delay: 0,
  },
  {
    name: 'goes by the shortest of several',
    pod: pod([exists(unreachable.key, 300), exists(unreachable.key, 60)]),
    taints: [unreachable],
    delay: 50_000,
  },
  {
    name: 'goes when it tolerates only one of two',
    pod: pod([exists(unreachable.key)]),
    taints: [unreachable, other],
    delay: 0,
  },
]
for (const { name, pod, taints, delay } of cases) {
  t.test(`a pod on a node with a NoExecute taint ${name}`, async t => {
    t.equal(evictionDelayMs(pod, taints, now), delay)
  })
}
