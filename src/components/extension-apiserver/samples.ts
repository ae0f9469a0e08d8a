/** What a kubelet's /metrics/resource says, and the usage between two readings. Pure. */

export interface Reading {
  at: Date
  /** Cumulative. */
  cpuSeconds: number
  memoryBytes: number
  /** Of a container. */
  startedAt?: Date
}

export interface NodeReadings {
  node?: Reading
  /** By `namespace/pod`, then by container. */
  pods: ReadonlyMap<string, ReadonlyMap<string, Reading>>
}

export interface Usage {
  at: Date
  windowSeconds: number
  /** As metrics-server writes them: `123456n`, `4096Ki`. */
  cpu: string
  memory: string
}

const line = /^([a-z_]+)(?:\{([^}]*)\})? (\S+)(?: (\d+))?$/

/** @param now for lines without a time of their own */
export function parseReadings(text: string, now: Date): NodeReadings {
  const node: Partial<Reading> = {}
  const pods = new Map<string, Map<string, Partial<Reading>>>()
  for (const each of text.split('\n')) {
    const [, name = '', labels = '', value = '', at] = line.exec(each) ?? []
    const field = fields[name]
    const isStart = name === 'container_start_time_seconds'
    if (!field && !isStart) continue
    let reading = node
    if (name.startsWith('container')) {
      const { namespace, pod, container = '' } = labelsOf(labels)
      const key = `${namespace}/${pod}`
      const containers = pods.get(key) ?? new Map<string, Partial<Reading>>()
      pods.set(key, containers)
      reading = containers.get(container) ?? {}
      containers.set(container, reading)
    }
    if (field) {
      reading[field] = Number(value)
      reading.at = at ? new Date(Number(at)) : now
    } else reading.startedAt = new Date(Number(value) * 1000)
  }
  const whole = [...pods].map(([key, containers]): [string, Map<string, Reading>] => [
    key,
    new Map([...containers].filter((entry): entry is [string, Reading] => isWhole(entry[1]))),
  ])
  return { ...(isWhole(node) ? { node } : {}), pods: new Map(whole) }
}

const fields: Record<string, 'cpuSeconds' | 'memoryBytes' | undefined> = {
  node_cpu_usage_seconds_total: 'cpuSeconds',
  node_memory_working_set_bytes: 'memoryBytes',
  container_cpu_usage_seconds_total: 'cpuSeconds',
  container_memory_working_set_bytes: 'memoryBytes',
}

const isWhole = (reading: Partial<Reading>): reading is Reading =>
  reading.at !== undefined && reading.cpuSeconds !== undefined && reading.memoryBytes !== undefined

const labelsOf = (text: string): Record<string, string> =>
  Object.fromEntries([...text.matchAll(/([a-z_]+)="([^"]*)"/g)].map(([, name, value]) => [name!, value!]))

// metrics-server's freshContainerMinMetricsResolution
const freshMs = 10_000

/** A container that has been there for a while and was not when the last reading was made: it had used nothing when it started. */
export function readingBefore(before: Reading | undefined, now: Reading): Reading | undefined {
  const { startedAt, at } = now
  if (before && (!startedAt || before.at >= startedAt)) return before
  if (!startedAt || at.getTime() - startedAt.getTime() < freshMs) return undefined
  return { at: startedAt, cpuSeconds: 0, memoryBytes: 0 }
}

/** Undefined when the second is not later, or its counter began anew: two more readings are needed. */
export function usageOf(before: Reading | undefined, now: Reading): Usage | undefined {
  if (!before) return undefined
  const windowSeconds = (now.at.getTime() - before.at.getTime()) / 1000
  if (windowSeconds <= 0 || now.cpuSeconds < before.cpuSeconds) return undefined
  const cores = (now.cpuSeconds - before.cpuSeconds) / windowSeconds
  return {
    at: now.at,
    windowSeconds,
    cpu: `${Math.ceil(cores * 1e9)}n`,
    memory: `${Math.ceil(now.memoryBytes / 1024)}Ki`,
  }
}
