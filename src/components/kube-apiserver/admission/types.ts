/** Admission: what may change or refuse a write after authorization. Mutating plugins go first, then validating ones. */
import type { Unstructured, UserInfo } from '#kubernetes/types.ts'
import type { ResourceDefinition } from '../resources/types.ts'

export interface AdmissionRequest {
  definition: ResourceDefinition
  operation: 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT'
  subresource: string
  namespace: string
  name: string
  user: UserInfo
  dryRun: boolean
  /** May be changed by mutating plugins; undefined for DELETE. */
  object?: Unstructured
  /** Before an update or delete. */
  old?: Unstructured
  /** DeleteOptions, CreateOptions, … as sent. */
  options?: Record<string, unknown>
  /** Texts for `Warning:` headers. */
  warnings: string[]
}

/** @throws StatusError that is sent to the client */
export type Plugin = (request: AdmissionRequest) => void | Promise<void>

export interface Admission {
  mutate: Plugin
  validate: Plugin
}

/** In the given order. */
export function chain(mutating: readonly Plugin[], validating: readonly Plugin[]): Admission {
  const all =
    (plugins: readonly Plugin[]): Plugin =>
    async request => {
      for (const plugin of plugins) {
        const waiting = plugin(request)
        if (waiting) await waiting
      }
    }
  return { mutate: all(mutating), validate: all(validating) }
}
