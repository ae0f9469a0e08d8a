/** printPod. */
import type { Unstructured } from '#kubernetes/types.ts'
import type { Column } from '../resources/types.ts'
import { age, name } from './standard.ts'
import { array, at, humanDuration, number, text } from './values.ts'

interface Summary {
  ready: string
  status: string
  restarts: string
}

const restartable = (container: unknown) => text(container, 'restartPolicy') === 'Always'

/** What the Ready, Status and Restarts columns say; container states overrule the phase. */
function summarize(pod: Unstructured, now: Date): Summary {
  const containers = array(pod, 'spec', 'containers')
  const initContainers = array(pod, 'spec', 'initContainers')
  let total = containers.length
  let readyCount = 0
  let restarts = 0
  let lastRestart = 0
  let status = text(pod, 'status', 'reason') || text(pod, 'status', 'phase')
  for (const condition of array(pod, 'status', 'conditions')) {
    if (condition.type === 'PodScheduled' && condition.reason === 'SchedulingGated') status = 'SchedulingGated'
  }
  const count = (state: unknown) => {
    restarts += number(state, 'restartCount')
    const finished = text(state, 'lastState', 'terminated', 'finishedAt')
    if (finished) lastRestart = Math.max(lastRestart, Date.parse(finished))
  }
  let initializing = false
  const initStates = array(pod, 'status', 'initContainerStatuses')
  for (const [i, state] of initStates.entries()) {
    const spec = initContainers.find(c => c.name === state.name)
    if (restartable(spec)) total++
    count(state)
    if (restartable(spec) && state.started === true) {
      if (state.ready === true) readyCount++
      continue
    }
    const terminated = at(state, 'state', 'terminated')
    if (terminated && number(terminated, 'exitCode') === 0) continue
    if (initializing) continue
    const waiting = text(state, 'state', 'waiting', 'reason')
    if (terminated)
      status = `Init:${text(terminated, 'reason') || (number(terminated, 'signal') ? `Signal:${number(terminated, 'signal')}` : `ExitCode:${number(terminated, 'exitCode')}`)}`
    else if (waiting && waiting !== 'PodInitializing') status = `Init:${waiting}`
    else status = `Init:${i}/${initContainers.length}`
    initializing = true
  }
  if (!initializing || condition(pod, 'Initialized')) {
    let running = false
    for (const state of array(pod, 'status', 'containerStatuses').toReversed()) {
      count(state)
      const waiting = text(state, 'state', 'waiting', 'reason')
      const terminated = at(state, 'state', 'terminated')
      if (waiting) status = waiting
      else if (terminated)
        status =
          text(terminated, 'reason') ||
          (number(terminated, 'signal')
            ? `Signal:${number(terminated, 'signal')}`
            : `ExitCode:${number(terminated, 'exitCode')}`)
      else if (state.ready === true && at(state, 'state', 'running')) {
        running = true
        readyCount++
      }
    }
    if (status === 'Completed' && running) status = condition(pod, 'Ready') ? 'Running' : 'NotReady'
  }
  const phase = text(pod, 'status', 'phase')
  if (pod.metadata.deletionTimestamp) {
    if (text(pod, 'status', 'reason') === 'NodeLost') status = 'Unknown'
    else if (phase !== 'Succeeded' && phase !== 'Failed') status = 'Terminating'
  }
  const ago = restarts > 0 && lastRestart > 0 ? ` (${humanDuration(now.getTime() - lastRestart)} ago)` : ''
  return { ready: `${readyCount}/${total}`, status, restarts: `${restarts}${ago}` }
}

const condition = (pod: unknown, type: string) =>
  array(pod, 'status', 'conditions').some(c => c.type === type && c.status === 'True')

/** `1/2`, or `<none>` without gates. */
function readinessGates(pod: Unstructured): string {
  const gates = array(pod, 'spec', 'readinessGates')
  if (gates.length === 0) return '<none>'
  return `${gates.filter(gate => condition(pod, text(gate, 'conditionType'))).length}/${gates.length}`
}

export const pods: readonly Column[] = [
  name,
  {
    name: 'Ready',
    description: 'The aggregate readiness state of this pod for accepting traffic.',
    value: (pod, now) => summarize(pod, now).ready,
  },
  {
    name: 'Status',
    description: 'The aggregate status of the containers in this pod.',
    value: (pod, now) => summarize(pod, now).status,
  },
  {
    name: 'Restarts',
    description:
      'The number of times the containers in this pod have been restarted and when the last container in this pod has restarted.',
    value: (pod, now) => summarize(pod, now).restarts,
  },
  age,
  {
    name: 'IP',
    wide: true,
    description: 'podIP address allocated to the pod.',
    value: pod => text(pod, 'status', 'podIPs', 0, 'ip') || text(pod, 'status', 'podIP') || '<none>',
  },
  {
    name: 'Node',
    wide: true,
    description: 'NodeName indicates in which node this pod is scheduled.',
    value: pod => text(pod, 'spec', 'nodeName') || '<none>',
  },
  {
    name: 'Nominated Node',
    wide: true,
    description: 'nominatedNodeName is set only when this pod preempts other pods on the node.',
    value: pod => text(pod, 'status', 'nominatedNodeName') || '<none>',
  },
  {
    name: 'Readiness Gates',
    wide: true,
    description: 'If specified, all readiness gates will be evaluated for pod readiness.',
    value: readinessGates,
  },
]
