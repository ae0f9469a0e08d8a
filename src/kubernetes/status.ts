/** Status bodies and their exact texts: apimachinery's api/errors. */
import { type GroupResource, qualified } from './resources.ts'
import type { Status, StatusCause, StatusDetails } from './types.ts'

/** An answer that is not what was asked for: what a server throws to give it, and what the client throws when it gets one. */
export class StatusError extends Error {
  override readonly name = 'StatusError'
  readonly status: Status
  /** The HTTP status. */
  readonly code: number
  /** `NotFound`, `Conflict`, …; '' when the server gave none. */
  readonly reason: string

  constructor(status: Status, options?: ErrorOptions) {
    super(status.message ?? status.reason ?? `status ${status.code}`, options)
    this.status = status
    this.code = status.code ?? 500
    this.reason = status.reason ?? ''
  }
}

/** A Status in the original's order of fields; empty ones are left out. */
export function failure(code: number, reason: string, message: string, details?: StatusDetails): Status {
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message,
    ...(reason === '' ? {} : { reason }),
    ...(details ? { details } : {}),
    code,
  }
}

/** The answer to a successful delete: `details` name the object. */
export const success = (details?: StatusDetails): Status => ({
  kind: 'Status',
  apiVersion: 'v1',
  metadata: {},
  status: 'Success',
  ...(details ? { details } : {}),
})

const detailsOf = ({ group, resource }: GroupResource, name = '', rest: StatusDetails = {}): StatusDetails => ({
  ...(name ? { name } : {}),
  ...(group ? { group } : {}),
  ...(resource ? { kind: resource } : {}),
  ...rest,
})

const q = JSON.stringify

export const unauthorized = () => new StatusError(failure(401, 'Unauthorized', 'Unauthorized'))

/** `why` is the sentence after `is forbidden: `. An empty resource is a path that is no resource. */
export function forbidden(resource: GroupResource, name: string, why: string): StatusError {
  const message =
    resource.resource === '' && resource.group === ''
      ? `forbidden: ${why}`
      : `${qualified(resource)}${name ? ` ${q(name)}` : ''} is forbidden: ${why}`
  return new StatusError(failure(403, 'Forbidden', message, detailsOf(resource, name)))
}

export const notFound = (resource: GroupResource, name: string) =>
  new StatusError(failure(404, 'NotFound', `${qualified(resource)} ${q(name)} not found`, detailsOf(resource, name)))

export const alreadyExists = (resource: GroupResource, name: string) =>
  new StatusError(
    failure(409, 'AlreadyExists', `${qualified(resource)} ${q(name)} already exists`, detailsOf(resource, name)),
  )

/** generic registry's OptimisticLockErrorMsg. */
const modifiedMeanwhile = 'the object has been modified; please apply your changes to the latest version and try again'

export const conflict = (resource: GroupResource, name: string, why: string = modifiedMeanwhile) =>
  new StatusError(
    failure(
      409,
      'Conflict',
      `Operation cannot be fulfilled on ${qualified(resource)} ${q(name)}: ${why}`,
      detailsOf(resource, name),
    ),
  )

export const applyConflict = (message: string, causes: StatusCause[]) =>
  new StatusError(failure(409, 'Conflict', message, { causes }))

/** A field that is wrong. `type` as field.ErrorType; `detail` what apimachinery prints after the value. */
export interface FieldError {
  type: 'required' | 'invalid' | 'notSupported' | 'duplicate' | 'forbidden' | 'tooLong' | 'notFound'
  field: string
  value?: unknown
  detail?: string
}

const fieldErrors = {
  required: ['FieldValueRequired', 'Required value'],
  invalid: ['FieldValueInvalid', 'Invalid value'],
  notSupported: ['FieldValueNotSupported', 'Unsupported value'],
  duplicate: ['FieldValueDuplicate', 'Duplicate value'],
  forbidden: ['FieldValueForbidden', 'Forbidden'],
  tooLong: ['FieldValueTooLong', 'Too long'],
  notFound: ['FieldValueNotFound', 'Not found'],
} as const

function fieldErrorBody({ type, value, detail }: FieldError): string {
  const words = fieldErrors[type][1]
  const withValue =
    type === 'required' || type === 'forbidden' || type === 'tooLong' ? words : `${words}: ${show(value)}`
  return detail ? `${withValue}: ${detail}` : withValue
}

/** Go's %#v for what JSON holds, near enough: strings quoted, the rest as JSON. */
const show = (value: unknown) => (value === undefined ? 'null' : JSON.stringify(value))

/** `kind` is the Kind, as in `Pod "x" is invalid: …`. */
export function invalid(
  { group, kind }: { group: string; kind: string },
  name: string,
  errors: readonly FieldError[],
): StatusError {
  const causes = errors.map(error => ({
    reason: fieldErrors[error.type][0],
    message: fieldErrorBody(error),
    field: error.field,
  }))
  const texts = [...new Set(causes.map(({ field, message }) => `${field}: ${message}`))]
  const all = texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`
  const message = `${group ? `${kind}.${group}` : kind} ${q(name)} is invalid${texts.length > 0 ? `: ${all}` : ''}`
  return new StatusError(failure(422, 'Invalid', message, detailsOf({ group, resource: kind }, name, { causes })))
}

export const badRequest = (message: string) => new StatusError(failure(400, 'BadRequest', message))

export const methodNotSupported = (resource: GroupResource, action: string) =>
  new StatusError(
    failure(
      405,
      'MethodNotAllowed',
      `${action} is not supported on resources of kind ${q(qualified(resource))}`,
      detailsOf(resource),
    ),
  )

/** What a path that exists says to a method that it does not have. */
export const methodNotAllowed = () =>
  new StatusError(
    failure(405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource', {}),
  )

export const notAcceptable = (accepted: readonly string[]) =>
  new StatusError(failure(406, 'NotAcceptable', `only the following media types are accepted: ${accepted.join(', ')}`))

export const unsupportedMediaType = (accepted: readonly string[]) =>
  new StatusError(
    failure(
      415,
      'UnsupportedMediaType',
      `the body of the request was in an unknown format - accepted media types include: ${accepted.join(', ')}`,
    ),
  )

/** A resourceVersion whose history is gone: relist. */
export const expired = (message: string) => new StatusError(failure(410, 'Expired', message))

/** The watch cache's sentence for it. */
export const tooOldResourceVersion = (asked: string | number, oldest: string | number) =>
  expired(`too old resource version: ${asked} (${oldest})`)

/** etcd3's sentence for a continue token or resourceVersion that was compacted. */
export const compacted = () =>
  expired(
    'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.',
  )

/** A resourceVersion that etcd has not reached yet. */
export const tooLargeResourceVersion = (asked: string | number, current: string | number) =>
  new StatusError(
    failure(504, 'Timeout', `Timeout: Too large resource version: ${asked}, current: ${current}`, {
      causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
      retryAfterSeconds: 1,
    }),
  )

export const requestEntityTooLarge = (limit: number) =>
  new StatusError(failure(413, 'RequestEntityTooLarge', `Request entity too large: limit is ${limit}`))

export const internalError = (why: string) =>
  new StatusError(failure(500, 'InternalError', `Internal error occurred: ${why}`, { causes: [{ message: why }] }))

export const serverTimeout = (resource: GroupResource, operation: string, retryAfterSeconds = 0) =>
  new StatusError(
    failure(
      500,
      'ServerTimeout',
      `The ${operation} operation against ${qualified(resource)} could not be completed at this time, please try again.`,
      detailsOf(resource, operation, retryAfterSeconds ? { retryAfterSeconds } : {}),
    ),
  )

/** What client-go makes of an answer that is no Status: NewGenericServerResponse. */
export function genericResponse(
  code: number,
  verb: string,
  resource: GroupResource | undefined,
  name: string | undefined,
  body: string,
): StatusError {
  const row = genericResponses[code]
  const [reason, text] = row
    ? [row.reason, row.body && body && body !== 'unknown' ? body : row.message]
    : code >= 500
      ? ['InternalError', `an error on the server (${q(body)}) has prevented the request from succeeding`]
      : ['', `the server responded with the status code ${code} but did not return more information`]
  const what = resource?.resource ? ` (${verb.toLowerCase()} ${qualified(resource)}${name ? ` ${name}` : ''})` : ''
  const causes: StatusCause[] = body ? [{ reason: 'UnexpectedServerResponse', message: body }] : []
  return new StatusError(
    failure(
      code,
      code === 409 && verb === 'POST' ? 'AlreadyExists' : reason!,
      text + what,
      detailsOf(resource ?? { group: '', resource: '' }, name, causes.length > 0 ? { causes } : {}),
    ),
  )
}

/** `body`: the server's own words are used when it gave any. */
const genericResponses: Record<number, { reason: string; message: string; body?: true }> = {
  400: { reason: 'BadRequest', message: 'the server rejected our request for an unknown reason' },
  401: { reason: 'Unauthorized', message: 'the server has asked for the client to provide credentials' },
  403: { reason: 'Forbidden', message: 'unknown', body: true },
  404: { reason: 'NotFound', message: 'the server could not find the requested resource' },
  405: { reason: 'MethodNotAllowed', message: 'the server does not allow this method on the requested resource' },
  406: {
    reason: 'NotAcceptable',
    message: 'the server was unable to respond with a content type that the client supports',
    body: true,
  },
  409: { reason: 'Conflict', message: 'the server reported a conflict' },
  415: {
    reason: 'UnsupportedMediaType',
    message: 'the server was unable to process the content type of the request body',
    body: true,
  },
  422: { reason: 'Invalid', message: 'the server rejected our request due to an error in our request' },
  429: {
    reason: 'TooManyRequests',
    message: 'the server has received too many requests and has asked us to try again later',
  },
  503: { reason: 'ServiceUnavailable', message: 'the server is currently unable to handle the request' },
  504: {
    reason: 'Timeout',
    message: 'the server was unable to return a response in the time allotted, but may still be processing the request',
  },
}

const is = (reason: string) => (error: unknown) => error instanceof StatusError && error.reason === reason
export const isNotFound = is('NotFound')
export const isAlreadyExists = is('AlreadyExists')
export const isConflict = is('Conflict')
export const isForbidden = is('Forbidden')
export const isUnauthorized = is('Unauthorized')
/** 410: both reasons mean that the history asked for is gone. */
export const isExpired = (error: unknown) => error instanceof StatusError && error.code === 410
