import t from 'tap'
import { resources } from '#kubernetes/resources.ts'
import {
  alreadyExists,
  conflict,
  genericResponse,
  internalError,
  invalid,
  methodNotSupported,
  notFound,
  type StatusError,
  serverTimeout,
  tooLargeResourceVersion,
  tooOldResourceVersion,
  unauthorized,
} from '#kubernetes/status.ts'
import { statusProtobuf } from '#kubernetes/status-body.ts'

// Bodies as apimachinery's api/errors makes them, byte for byte.
const bodies: [name: string, error: StatusError, body: string][] = [
  [
    '401',
    unauthorized(),
    '{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}',
  ],
  [
    'not found',
    notFound(resources.deployments, 'x'),
    '{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"deployments.apps \\"x\\" not found","reason":"NotFound","details":{"name":"x","group":"apps","kind":"deployments"},"code":404}',
  ],
  [
    'there already',
    alreadyExists(resources.pods, 'x'),
    '{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"pods \\"x\\" already exists","reason":"AlreadyExists","details":{"name":"x","kind":"pods"},"code":409}',
  ],
  [
    'changed meanwhile',
    conflict(resources.pods, 'x'),
    '{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Operation cannot be fulfilled on pods \\"x\\": the object has been modified; please apply your changes to the latest version and try again","reason":"Conflict","details":{"name":"x","kind":"pods"},"code":409}',
  ],
  [
    'invalid',
    invalid({ group: '', kind: 'Pod' }, 'x', [{ type: 'required', field: 'spec.containers' }]),
    '{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Pod \\"x\\" is invalid: spec.containers: Required value","reason":"Invalid","details":{"name":"x","kind":"Pod","causes":[{"reason":"FieldValueRequired","message":"Required value","field":"spec.containers"}]},"code":422}',
  ],
  [
    'too old',
    tooOldResourceVersion('1', '5'),
    '{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"too old resource version: 1 (5)","reason":"Expired","code":410}',
  ],
  [
    'internal',
    internalError('boom'),
    '{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Internal error occurred: boom","reason":"InternalError","details":{"causes":[{"message":"boom"}]},"code":500}',
  ],
  [
    'too large a version',
    tooLargeResourceVersion('9', '5'),
    '{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Timeout: Too large resource version: 9, current: 5","reason":"Timeout","details":{"causes":[{"reason":"ResourceVersionTooLarge","message":"Too large resource version"}],"retryAfterSeconds":1},"code":504}',
  ],
]
for (const [name, error, body] of bodies) {
  t.test(`the Status for ${name} is the original's`, async t => {
    t.equal(JSON.stringify(error.status), body)
  })
}

t.test('several invalid fields are told together', async t => {
  const error = invalid({ group: 'apps', kind: 'Deployment' }, 'x', [
    { type: 'invalid', field: 'spec.replicas', value: -1, detail: 'must be greater than or equal to 0' },
    {
      type: 'notSupported',
      field: 'spec.strategy.type',
      value: 'X',
      detail: 'supported values: "Recreate", "RollingUpdate"',
    },
  ])
  t.equal(
    error.message,
    'Deployment.apps "x" is invalid: [spec.replicas: Invalid value: -1: must be greater than or equal to 0, spec.strategy.type: Unsupported value: "X": supported values: "Recreate", "RollingUpdate"]',
  )
})

t.test('sentences about verbs', async t => {
  t.equal(methodNotSupported(resources.pods, 'delete').message, 'delete is not supported on resources of kind "pods"')
  t.equal(
    serverTimeout(resources.leases, 'get').message,
    'The get operation against leases.coordination.k8s.io could not be completed at this time, please try again.',
  )
})

// transformResponse and NewGenericServerResponse of client-go.
const generic: [code: number, verb: string, name: string | undefined, body: string, message: string, reason: string][] =
  [
    [
      401,
      'GET',
      'p',
      'Unauthorized',
      'the server has asked for the client to provide credentials (get pods p)',
      'Unauthorized',
    ],
    [403, 'GET', 'p', 'Forbidden (user=x)', 'Forbidden (user=x) (get pods p)', 'Forbidden'],
    [404, 'GET', undefined, '', 'the server could not find the requested resource (get pods)', 'NotFound'],
    [409, 'POST', 'p', '', 'the server reported a conflict (post pods p)', 'AlreadyExists'],
    [409, 'PUT', 'p', '', 'the server reported a conflict (put pods p)', 'Conflict'],
    [
      500,
      'GET',
      'p',
      'boom',
      'an error on the server ("boom") has prevented the request from succeeding (get pods p)',
      'InternalError',
    ],
    [503, 'GET', 'p', '', 'the server is currently unable to handle the request (get pods p)', 'ServiceUnavailable'],
    [
      418,
      'GET',
      'p',
      '',
      'the server responded with the status code 418 but did not return more information (get pods p)',
      '',
    ],
  ]
for (const [code, verb, name, body, message, reason] of generic) {
  t.test(`client-go says of a bare ${code} to ${verb}: ${message}`, async t => {
    const error = genericResponse(code, verb, resources.pods, name, body)
    t.equal(error.message, message)
    t.equal(error.reason, reason)
  })
}

t.test('a Status in protobuf has every field that gogo-protobuf writes', async t => {
  const bytes = Buffer.from(statusProtobuf(notFound(resources.pods, 'p').status))
  t.equal(bytes.subarray(0, 4).toString('latin1'), 'k8s\0')
  // Details: name, group (empty), kind, retryAfterSeconds 0, uid (empty).
  t.ok(bytes.includes(Buffer.from('\x0a\x01p\x12\x00\x1a\x04pods\x28\x00\x32\x00', 'latin1')))
  t.ok(bytes.includes(Buffer.from([0x30, 0x94, 0x03])), 'code 404 as a varint')
})
