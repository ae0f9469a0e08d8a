/** A pod's status from its containers': kubelet's generateAPIPodStatus. Pure. */
import { time } from '#kubernetes/time.ts'
import type { Condition, ContainerStatus, Pod } from '#kubernetes/types.ts'

type PodStatus = NonNullable<Pod['status']>

export interface PodFacts {
  pod: Pod
  containers: readonly ContainerStatus[]
  initContainers: readonly ContainerStatus[]
  hostIp: string
  podIp: string | undefined
  startTime: Date
  now: Date
}

const isIn = (kind: string) => (status: ContainerStatus) => status.state?.[kind] !== undefined
const exitCode = (status: ContainerStatus) => Number(status.state?.terminated?.exitCode ?? 0)

export function podStatus(facts: PodFacts): PodStatus {
  const { pod, containers, initContainers, hostIp, podIp, now } = facts
  const phase = phaseOf(facts)
  const finished = phase === 'Succeeded' || phase === 'Failed'
  const initialized = initContainers.every(status => isIn('terminated')(status) && exitCode(status) === 0)
  const unready = containers.filter(({ ready }) => !ready).map(({ name }) => name)
  const notReady = finished
    ? { status: 'False' as const, reason: phase === 'Succeeded' ? 'PodCompleted' : 'PodFailed' }
    : unready.length > 0
      ? {
          status: 'False' as const,
          reason: 'ContainersNotReady',
          message: `containers with unready status: [${unready.join(' ')}]`,
        }
      : { status: 'True' as const }
  const incomplete = initContainers.filter(status => exitCode(status) !== 0 || !isIn('terminated')(status))
  const conditions: Condition[] = [
    { type: 'PodReadyToStartContainers', status: podIp && !finished ? 'True' : 'False' },
    initialized
      ? { type: 'Initialized', status: 'True', ...(phase === 'Succeeded' ? { reason: 'PodCompleted' } : {}) }
      : {
          type: 'Initialized',
          status: 'False',
          reason: 'ContainersNotInitialized',
          message: `containers with incomplete status: [${incomplete.map(({ name }) => name).join(' ')}]`,
        },
    { type: 'Ready', ...notReady },
    { type: 'ContainersReady', ...notReady },
    { type: 'PodScheduled', status: 'True' },
  ]
  return {
    phase,
    conditions: conditions.map(condition => {
      const before = pod.status?.conditions?.find(({ type }) => type === condition.type)
      const same = before?.status === condition.status && before.lastTransitionTime
      return { ...condition, lastProbeTime: null, lastTransitionTime: same || time(now) }
    }),
    hostIP: hostIp,
    hostIPs: [{ ip: hostIp }],
    ...(podIp ? { podIP: podIp, podIPs: [{ ip: podIp }] } : {}),
    startTime: time(facts.startTime),
    ...(initContainers.length > 0 ? { initContainerStatuses: [...initContainers] } : {}),
    containerStatuses: [...containers],
  }
}

/** getPhase. */
function phaseOf({ pod, containers, initContainers }: PodFacts): NonNullable<PodStatus['phase']> {
  const policy = pod.spec.restartPolicy ?? 'Always'
  const initFailed = initContainers.some(status => isIn('terminated')(status) && exitCode(status) !== 0)
  if (initFailed && policy === 'Never') return 'Failed'
  const ended = (status: ContainerStatus) => isIn('terminated')(status)
  const restarting = (status: ContainerStatus) =>
    isIn('waiting')(status) && status.restartCount + Number(status.lastState?.terminated !== undefined) > 0
  if (containers.length > 0 && containers.every(ended)) {
    if (policy === 'Always') return 'Running'
    const failed = containers.some(status => exitCode(status) !== 0)
    if (!failed) return 'Succeeded'
    return policy === 'Never' ? 'Failed' : 'Running'
  }
  return containers.some(status => isIn('running')(status) || ended(status) || restarting(status))
    ? 'Running'
    : 'Pending'
}
