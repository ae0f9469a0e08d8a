/** The Node that a kubelet registers: addresses, capacity, conditions. Pure, but for what it reads about this machine once. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import { time } from '#kubernetes/time.ts'
import type { Condition, Node } from '#kubernetes/types.ts'
import { kubernetesVersion, platform } from '#kubernetes/version.ts'
import type { Settings } from './configuration.ts'

const conditionTable = [
  ['MemoryPressure', 'False', 'KubeletHasSufficientMemory', 'kubelet has sufficient memory available'],
  ['DiskPressure', 'False', 'KubeletHasNoDiskPressure', 'kubelet has no disk pressure'],
  ['PIDPressure', 'False', 'KubeletHasSufficientPID', 'kubelet has sufficient PID available'],
  ['Ready', 'True', 'KubeletReady', 'kubelet is posting ready status'],
] as const

/** Those that the node has now, `before` telling since when. */
export function conditionsOf(now: Date, before: readonly Condition[] = []): Condition[] {
  return conditionTable.map(([type, status, reason, message]) => {
    const known = before.find(condition => condition.type === type)
    return {
      type,
      status,
      lastHeartbeatTime: time(now),
      lastTransitionTime: known?.status === status && known.lastTransitionTime ? known.lastTransitionTime : time(now),
      reason,
      message,
    }
  })
}

const [, architecture = 'amd64'] = platform.split('/')

export function nodeObject(settings: Settings, port: number, now: Date): Node {
  const { nodeName: name, maxPods, nodeIp, schedulable } = settings
  return {
    metadata: {
      name,
      labels: {
        'beta.kubernetes.io/arch': architecture,
        'beta.kubernetes.io/os': 'linux',
        'kubernetes.io/arch': architecture,
        'kubernetes.io/hostname': name,
        'kubernetes.io/os': 'linux',
        ...settings.labels,
      },
      annotations: { 'volumes.kubernetes.io/controller-managed-attach-detach': 'true' },
    },
    spec: {
      ...(schedulable ? {} : { unschedulable: true }),
      ...(settings.podCidr ? { podCIDR: settings.podCidr, podCIDRs: [settings.podCidr] } : {}),
    },
    status: {
      addresses: [
        { type: 'InternalIP', address: nodeIp },
        { type: 'Hostname', address: name },
      ],
      ...resourcesOf(maxPods),
      conditions: conditionsOf(now),
      daemonEndpoints: { kubeletEndpoint: { Port: port } },
      nodeInfo: nodeInfo(name),
    },
  }
}

/** What does not change while we run: to count processors takes a millisecond. */
const machine = { cpus: String(cpus().length || 1), memoryKi: Math.floor(totalmem() / 1024) }

function resourcesOf(maxPods: number) {
  const { memoryKi } = machine
  const capacity = {
    cpu: machine.cpus,
    'ephemeral-storage': '102350Mi',
    'hugepages-1Gi': '0',
    'hugepages-2Mi': '0',
    memory: `${memoryKi}Ki`,
    pods: String(maxPods),
  }
  // what the default --eviction-hard keeps back: memory.available<100Mi
  return { capacity, allocatable: { ...capacity, memory: `${Math.max(0, memoryKi - 100 * 1024)}Ki` } }
}

/** Ids are derived from the name: many nodes are one machine here. */
const idOf = (name: string, what: string) => createHash('sha256').update(`${what}/${name}`).digest('hex').slice(0, 32)
const uuid = (hex: string) => hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')

const nodeInfo = (name: string) => ({
  architecture,
  bootID: uuid(idOf(name, 'boot')),
  containerRuntimeVersion: 'trustplane://0.1.0',
  kernelVersion: release(),
  kubeProxyVersion: '',
  kubeletVersion: kubernetesVersion.gitVersion,
  machineID: idOf(name, 'machine'),
  operatingSystem: 'linux',
  osImage: osImage(),
  systemUUID: uuid(idOf(name, 'system')),
})

let knownImage: string | undefined

function osImage(): string {
  if (knownImage !== undefined) return knownImage
  try {
    knownImage = /^PRETTY_NAME="?(.*?)"?$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'trustplane'
  } catch {
    knownImage = 'trustplane'
  }
  return knownImage
}
