/** Why a chain, or one candidate of it, does not hold. Internal to the verifier; a verdict is made of it. */
import type { Reason } from './reasons.ts'
import type { Certificate, RefusalAlert } from './types.ts'

export interface Failure {
  reason: Reason
  /** Go's error text. */
  message: string
  certificate?: Certificate
  alert: RefusalAlert
}

/** Most errors: Go answers them with bad_certificate. */
export const failure = (reason: Reason, message: string, certificate?: Certificate): Failure => ({
  reason,
  message,
  alert: 42,
  ...(certificate ? { certificate } : {}),
})
