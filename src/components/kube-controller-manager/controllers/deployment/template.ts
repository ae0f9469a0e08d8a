/** Which ReplicaSet is a Deployment's newest, and how a new one is named. */
import type { Deployment, PodTemplateSpec, ReplicaSet } from '#kubernetes/types.ts'

export const hashLabel = 'pod-template-hash'
export const revisionAnnotation = 'deployment.kubernetes.io/revision'

/** JSON with sorted keys, so that equal templates are equal texts. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    part && typeof part === 'object' && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  )
}

function withoutHash(template: PodTemplateSpec | undefined): unknown {
  const { [hashLabel]: _hash, ...labels } = template?.metadata?.labels ?? {}
  const annotations = template?.metadata?.annotations ?? {}
  return { labels, annotations, spec: template?.spec }
}

/** deploymentutil.EqualIgnoreHash. */
export const sameTemplate = (a: PodTemplateSpec | undefined, b: PodTemplateSpec | undefined) =>
  canonical(withoutHash(a)) === canonical(withoutHash(b))

/** deploymentutil.FindNewReplicaSet: the oldest of those whose template is the Deployment's. */
export const newestOf = (deployment: Deployment, sets: readonly ReplicaSet[]) =>
  sets
    .filter(set => sameTemplate(set.spec.template, deployment.spec.template))
    .sort((a, b) => (a.metadata.creationTimestamp ?? '').localeCompare(b.metadata.creationTimestamp ?? ''))[0]

// rand.SafeEncodeString's alphabet: no vowels, so no words
const alphabet = 'bcdfghjklmnpqrstvwxz2456789'

/** controller.ComputeHash: FNV-1a of the template and the collision count, in letters that make no words. */
export function templateHash(template: PodTemplateSpec, collisionCount = 0): string {
  let hash = 0x811c9dc5
  for (const byte of Buffer.from(canonical(withoutHash(template)) + (collisionCount || ''))) {
    hash = Math.imul(hash ^ byte, 0x01000193) >>> 0
  }
  return [...String(hash)].map(digit => alphabet[digit.charCodeAt(0) % alphabet.length]).join('')
}

export const revisionOf = ({ metadata }: ReplicaSet) => Number(metadata.annotations?.[revisionAnnotation] ?? 0) || 0
