/** A pod's volumes, waited for, and what each of its containers finds: files under its mounts, and variables. */
import { messageOf } from '#errors.ts'
import { pause } from '#kubernetes/backoff.ts'
import { resources } from '#kubernetes/resources.ts'
import type { Container, Pod } from '#kubernetes/types.ts'
import { referenceTo } from '../event-recorder.ts'
import type { Surroundings } from './container.ts'
import type { PodContext } from './pod-worker.ts'
import type { VolumeFiles } from './volumes.ts'

type Trouble = (reason: string, message: string) => void

// The original's are 500 ms to about two minutes.
const firstWaitMs = 100
const longestWaitMs = 122_000

/** Resolves when every volume is there; the function that it gives makes a container's surroundings, waiting for what its variables name. */
export async function surroundingsOf(
  pod: Pod,
  { sources, events, log }: PodContext,
  signal: AbortSignal,
): Promise<(container: Container, podIp: string, trouble: Trouble) => Promise<Surroundings | undefined>> {
  const volumes = new Map<string, VolumeFiles>()
  for (const volume of pod.spec.volumes ?? []) {
    const files = await retried(
      () => sources.volume(pod, volume),
      message => {
        const sentence = `MountVolume.SetUp failed for volume "${volume.name}" : ${message}`
        log.error('Error: MountVolume.SetUp failed', message, { pod: `${pod.metadata.namespace}/${pod.metadata.name}` })
        events.event(referenceTo(resources.pods, pod), 'Warning', 'FailedMount', sentence)
      },
      signal,
    )
    if (files) volumes.set(volume.name, files)
  }
  return async (container, podIp, trouble) => {
    const env = await retried(
      () => sources.env(pod, container, podIp),
      message => trouble('CreateContainerConfigError', message),
      signal,
    )
    if (!env) return undefined
    const hostname = (pod.spec.hostname as string | undefined) ?? pod.metadata.name ?? ''
    return { env, hostname, ...filesOf(container, volumes, hostname, podIp) }
  }
}

async function retried<T>(
  attempt: () => Promise<T>,
  failed: (message: string) => void,
  signal: AbortSignal,
): Promise<T | undefined> {
  for (let waitMs = firstWaitMs; !signal.aborted; waitMs = Math.min(waitMs * 2, longestWaitMs)) {
    try {
      return await attempt()
    } catch (error) {
      if (signal.aborted) return undefined
      failed(messageOf(error))
      await pause(waitMs, signal)
    }
  }
  return undefined
}

function filesOf(
  container: Container,
  volumes: ReadonlyMap<string, VolumeFiles>,
  hostname: string,
  podIp: string,
): Pick<Surroundings, 'file' | 'folder'> {
  const files = new Map<string, () => string | Promise<string>>([
    ['/etc/hostname', () => `${hostname}\n`],
    ['/etc/hosts', () => `127.0.0.1\tlocalhost\n${podIp}\t${hostname}\n`],
    ['/etc/resolv.conf', () => 'nameserver 10.96.0.10\n'],
  ])
  for (const { name, mountPath, subPath } of (container.volumeMounts ?? []) as {
    name: string
    mountPath: string
    subPath?: string
  }[]) {
    const root = mountPath.replace(/\/$/, '')
    for (const [path, content] of volumes.get(name) ?? []) {
      if (subPath === undefined) files.set(`${root}/${path}`, content)
      else if (path === subPath) files.set(root, content)
    }
  }
  // /var/run is a link to /run, as on most images
  const normal = (path: string) => path.replace(/\/+/g, '/').replace(/^\/run\//, '/var/run/')
  return {
    async file(path) {
      return files.get(normal(path))?.()
    },
    folder(path) {
      const prefix = `${normal(path).replace(/\/$/, '')}/`
      const names = new Set(
        [...files.keys()].filter(file => file.startsWith(prefix)).map(file => file.slice(prefix.length).split('/')[0]!),
      )
      return names.size > 0 ? [...names].sort() : undefined
    },
  }
}
