/** How a server says 401 and 403: Status bodies, as kube-apiserver and everything built like it; or plain text, as the kubelet. */
import type { IncomingHttpHeaders } from 'node:http'
import { type Attributes, forbiddenFor } from './attributes.ts'
import { slice } from './go.ts'
import { type StatusError, unauthorized } from './status.ts'
import { type Encoded, encodeStatus } from './status-body.ts'

export interface Refusal {
  status: number
  headers: Record<string, string>
  body: Encoded | Promise<Encoded>
  /** For the record and the audit log. */
  message: string
  error?: StatusError
}

export interface Refusals {
  unauthorized(headers: IncomingHttpHeaders): Refusal
  /** `asked`: every set of attributes that was tried, at least one. */
  forbidden(asked: readonly Attributes[], reason: string, headers: IncomingHttpHeaders): Refusal
  /** An authorizer that could not decide. */
  failed(asked: readonly Attributes[], error: string, url: string): Refusal
}

const uncached = { 'cache-control': 'no-cache, private' }
export const nosniff = { 'x-content-type-options': 'nosniff' }
export const plainText = 'text/plain; charset=utf-8'
const text = (body: string): Encoded => ({ contentType: plainText, body })

export function refusalOf(
  error: StatusError,
  headers: IncomingHttpHeaders,
  extra: Record<string, string> = {},
): Refusal {
  return {
    status: error.code,
    headers: { ...uncached, ...extra },
    body: encodeStatus(error.status, headers.accept),
    message: error.message,
    error,
  }
}

export const statusRefusals: Refusals = {
  unauthorized: headers => refusalOf(unauthorized(), headers),
  forbidden: ([attributes], reason, headers) => refusalOf(forbiddenFor(attributes!, reason), headers, nosniff),
  failed: (_asked, error, url) => ({
    status: 500,
    headers: { ...uncached, ...nosniff },
    body: text(`Internal Server Error: ${JSON.stringify(url)}: ${error}\n`),
    message: error,
  }),
}

/** pkg/kubelet/server's auth filter: `Forbidden (user=…, verb=…, resource=…, subresource(s)=[proxy])`. */
export const kubeletRefusals: Refusals = {
  unauthorized: () => ({ status: 401, headers: {}, body: text('Unauthorized'), message: 'Unauthorized' }),
  forbidden(asked) {
    const [{ user, verb, resource }] = asked as [Attributes]
    const subresources = slice(asked.map(({ subresource }) => subresource))
    const message = `Forbidden (user=${user.username}, verb=${verb}, resource=${resource}, subresource(s)=${subresources})`
    return { status: 403, headers: {}, body: text(`${message}\n`), message }
  },
  failed(asked, error) {
    const { user, verb, resource, subresource } = asked.at(-1)!
    const message = `Authorization error (user=${user.username}, verb=${verb}, resource=${resource}, subresource=${subresource})`
    return { status: 500, headers: {}, body: text(message), message: error }
  },
}
