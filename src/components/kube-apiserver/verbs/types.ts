/** What every verb is given and gives. */
import type { Readable } from 'node:stream'
import type { Clock } from '#clock.ts'
import type { RequestInfo } from '#kubernetes/attributes.ts'
import type { TokenResult } from '#kubernetes/authn.ts'
import type { Authorizer } from '#kubernetes/authz.ts'
import type { RbacStore } from '#kubernetes/rbac.ts'
import type { Unstructured, UserInfo } from '#kubernetes/types.ts'
import type { Log } from '#log.ts'
import type { Admission } from '../admission/types.ts'
import type { Kubelets } from '../proxy/kubelets.ts'
import type { ResourceDefinition } from '../resources/types.ts'
import type { Store } from '../storage/store.ts'

export interface Api {
  store: Store
  clock: Clock
  log: Log
  admission: Admission
  tokens: TokenIssuer
  authorizer: Authorizer
  /** Who a bearer token is, for TokenReviews. */
  authenticateToken: (token: string) => Promise<TokenResult> | TokenResult
  rbac: RbacStore
  /** For the kinds that are not in etcd. */
  health: () => Promise<{ name: string; healthy: boolean; message: string }[]>
  audiences: readonly string[]
  kubelets: Kubelets
}

/** Service-account tokens: the body of a TokenRequest with its status. */
export interface TokenIssuer {
  issue(request: Unstructured, account: Unstructured, api: Api): Promise<Unstructured>
}

export interface ApiRequest {
  definition: ResourceDefinition
  info: RequestInfo
  user: UserInfo
  method: string
  query: URLSearchParams
  accept: string
  contentType: string
  userAgent: string
  body: Buffer
  /** Aborted when the client is gone. */
  signal: AbortSignal
  /** Texts for `Warning:` headers. */
  warnings: string[]
}

/** An object, the bytes of one in JSON, or a stream of lines. */
export type Answer =
  | { code: number; object: Unstructured; headers?: Record<string, string> }
  | { code: number; json: Buffer; headers?: Record<string, string> }
  | { code: number; stream: Readable; headers: Record<string, string> }

export type Handler = (api: Api, request: ApiRequest) => Promise<Answer> | Answer
