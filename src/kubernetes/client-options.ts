/** What the client's calls take. */

export interface At {
  namespace?: string
  name: string
}

export interface ListOptions {
  namespace?: string
  labelSelector?: string
  fieldSelector?: string
  limit?: number
  continue?: string
  resourceVersion?: string
  signal?: AbortSignal
}

export interface WatchOptions {
  namespace?: string
  labelSelector?: string
  fieldSelector?: string
  resourceVersion?: string
  /** Default true. */
  allowWatchBookmarks?: boolean
  timeoutSeconds?: number
  signal?: AbortSignal
}

export interface WriteOptions {
  fieldManager?: string
  dryRun?: boolean
  signal?: AbortSignal
}

export interface DeleteOptions {
  gracePeriodSeconds?: number
  propagationPolicy?: 'Orphan' | 'Background' | 'Foreground'
  preconditions?: { uid?: string; resourceVersion?: string }
  signal?: AbortSignal
}

export interface PatchOptions extends WriteOptions {
  /** Default `merge`. */
  type?: 'merge' | 'strategic' | 'json' | 'apply'
  subresource?: string
  /** Only with `apply`. */
  force?: boolean
}

export interface RawRequest {
  method?: string
  path: string
  headers?: Record<string, string>
  /** An object is sent as JSON. */
  body?: string | Uint8Array | object
  signal?: AbortSignal
  streaming?: boolean
}
