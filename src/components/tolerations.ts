/** k8s.io/component-helpers/scheduling/corev1: does a toleration fit a taint. */
import type { PodSpec, Taint } from '#kubernetes/types.ts'

export type Toleration = NonNullable<PodSpec['tolerations']>[number]

export function tolerates(
  { key, operator, value, effect }: Toleration,
  taint: Pick<Taint, 'key' | 'value' | 'effect'>,
) {
  if (effect && effect !== taint.effect) return false
  if (key && key !== taint.key) return false
  return operator === 'Exists' || (!!key && (value ?? '') === (taint.value ?? ''))
}

export const isTolerated = (
  tolerations: readonly Toleration[] | undefined,
  taint: Pick<Taint, 'key' | 'value' | 'effect'>,
) => (tolerations ?? []).some(toleration => tolerates(toleration, taint))
