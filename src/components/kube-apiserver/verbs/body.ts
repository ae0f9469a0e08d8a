/** The object in a request's body: JSON, YAML or protobuf, and what the original says of a wrong one. */
import { messageOf } from '#errors.ts'
import { badRequest, unsupportedMediaType } from '#kubernetes/status.ts'
import type { Unstructured } from '#kubernetes/types.ts'
import { apiVersionOf } from '../resources/types.ts'

const bodyTypes = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf']

export interface Expected {
  kind: string
  group: string
  version: string
  /** Of a custom resource. */
  conform?: (object: Unstructured) => string[]
}

/** Media type without parameters; JSON when none is given. */
export const mediaType = (contentType: string) =>
  contentType.split(';', 1)[0]!.trim().toLowerCase() || 'application/json'

/**
 * Reads the body as an object of `expected` kind; kind and apiVersion may be missing in it.
 * @param unknown gets the paths of fields that the kind does not have; they are not in what is returned
 * @throws StatusError 400, 415
 */
export async function readBody(
  body: Buffer,
  contentType: string,
  expected: Expected,
  unknown: string[] = [],
): Promise<Unstructured> {
  const object = await parseBody(body, contentType, expected)
  if (object === null || typeof object !== 'object' || Array.isArray(object)) {
    throw unrecognized(
      expected,
      `couldn't get version/kind; json parse error: json: cannot unmarshal ${Array.isArray(object) ? 'array' : typeof object} into Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }`,
      body,
    )
  }
  const found = object as Unstructured
  const apiVersion = apiVersionOf(expected)
  if ((found.kind && found.kind !== expected.kind) || (found.apiVersion && found.apiVersion !== apiVersion)) {
    // DeleteOptions and reviews come in versions of their own, which are alike in JSON.
    const kind = found.kind || expected.kind
    const version = found.apiVersion || apiVersion
    throw badRequest(
      `${kind} in version ${JSON.stringify(version.split('/').at(-1))} cannot be handled as a ${expected.kind}: no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(version)} in scheme "pkg/api/legacyscheme/scheme.go:30"`,
    )
  }
  unknown.push(...(await conformTo(found, expected)))
  const { kind: _, apiVersion: __, metadata = {}, ...rest } = found
  return { kind: expected.kind, apiVersion, metadata, ...rest }
}

/** @returns the paths of unknown fields, which are gone from the object now */
export async function conformTo(object: Unstructured, expected: Expected): Promise<string[]> {
  if (expected.conform) return expected.conform(object)
  // The schema is large: it is loaded by the first body, and not at start.
  const { conform } = await import('../schema/conform.ts')
  return conform(object, expected)
}

async function parseBody(body: Buffer, contentType: string, expected: Expected): Promise<unknown> {
  switch (mediaType(contentType)) {
    case 'application/json': {
      if (body.length === 0)
        throw unrecognized(expected, "couldn't get version/kind; json parse error: unexpected end of JSON input", body)
      try {
        return JSON.parse(body.toString('utf8'))
      } catch (error) {
        throw unrecognized(expected, `couldn't get version/kind; json parse error: ${goJsonError(error)}`, body)
      }
    }
    case 'application/yaml': {
      const { parse } = await import('yaml')
      try {
        return parse(body.toString('utf8'))
      } catch (error) {
        throw badRequest(
          `error converting YAML to JSON: yaml: ${messageOf(error)
            .split('\n', 1)[0]!
            .replace(/ at line (\d+), column \d+:?$/, ' (line $1)')}`,
        )
      }
    }
    case 'application/vnd.kubernetes.protobuf': {
      const { decodeProtobuf } = await import('../protobuf/decode.ts')
      return decodeProtobuf(body, expected)
    }
    default:
      throw unsupportedMediaType(bodyTypes)
  }
}

const unrecognized = ({ kind }: Expected, why: string, body: Buffer) =>
  badRequest(`the object provided is unrecognized (must be of type ${kind}): ${why} (${summary(body)})`)

/** handlers/rest.go summarizeData: the first bytes, as text when they look like JSON. */
function summary(body: Buffer, limit = 30): string {
  if (body.length === 0) return '<empty>'
  const text = body.length > limit ? `${body.subarray(0, limit).toString('latin1')} ...` : body.toString('latin1')
  if (body[0] === 0x7b) return JSON.stringify(text)
  return body.length > limit ? `${body.subarray(0, limit).toString('hex')} ...` : body.toString('hex')
}

/** V8's complaint in encoding/json's words. */
export function goJsonError(error: unknown): string {
  const message = messageOf(error)
  const token = /Unexpected token '?(.)'?,/su.exec(message)?.[1]
  if (/end of JSON input|Unterminated/.test(message)) return 'unexpected end of JSON input'
  return token === undefined ? message : `invalid character '${token}' looking for beginning of value`
}
