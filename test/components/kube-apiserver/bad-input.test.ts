/** Whatever is sent, an answer comes that says what is wrong; and the server goes on. */
import t from 'tap'
import { configMaps, startApi } from './api.ts'

const json = { 'content-type': 'application/json' }
const proto = { 'content-type': 'application/vnd.kubernetes.protobuf' }

const bodies: [what: string, body: string, headers: Record<string, string>, status: number, message: RegExp][] = [
  ['half an object', '{"a', json, 400, /couldn't get version\/kind; json parse error: unexpected end of JSON input/],
  ['nothing', '', json, 400, /unexpected end of JSON input \(<empty>\)/],
  ['a list', '[]', json, 400, /cannot unmarshal array/],
  ['null', 'null', json, 400, /the object provided is unrecognized \(must be of type ConfigMap\)/],
  [
    'metadata that is a string',
    '{"metadata":"x"}',
    json,
    400,
    /json: cannot unmarshal string into Go struct field ConfigMap.metadata of type v1.ObjectMeta/,
  ],
  ['labels that are a number', '{"metadata":{"name":"x","labels":5}}', json, 400, /of type map\[string\]string/],
  [
    'data that holds a number',
    '{"metadata":{"name":"x"},"data":{"a":1}}',
    json,
    400,
    /cannot unmarshal number into Go struct field ConfigMap.data.a of type string/,
  ],
  ['broken YAML', 'a: [b', { 'content-type': 'application/yaml' }, 400, /error converting YAML to JSON/],
  ['no protobuf', 'garbage', proto, 400, /does not appear to be a protobuf message/],
  ['broken protobuf', 'k8s\0\xff\xff\xff', proto, 400, /./],
  [
    'another media type',
    'x',
    { 'content-type': 'text/html' },
    415,
    /accepted media types include: application\/json, application\/yaml, application\/vnd.kubernetes.protobuf/,
  ],
  ['more than 3 MiB', 'x'.repeat(3 * 1024 * 1024 + 1), json, 413, /Request entity too large: limit is 3145728/],
]

const queries: [query: string, status: number, message: RegExp][] = [
  ['labelSelector=a%3D%3D%3D', 400, /unable to parse requirement/],
  ['fieldSelector=spec.foo%3Dx', 400, /field label not supported: spec.foo/],
  ['fieldSelector=x', 400, /invalid selector: 'x'; can't understand 'x'/],
  ['limit=abc', 400, /invalid syntax/],
  ['continue=abc', 400, /continue key is not valid/],
  ['watch=1&resourceVersion=abc', 400, /strconv.ParseUint: parsing "abc": invalid syntax/],
  ['watch=1&sendInitialEvents=true', 400, /sendInitialEvents requires setting resourceVersionMatch to NotOlderThan/],
  ['resourceVersion=99999999', 504, /Too large resource version: 99999999, current: \d+/],
]

const paths: [method: string, path: string, status: number][] = [
  ['GET', '/api/v1/foos', 404],
  ['GET', '/apis/nothing/v1/foos', 404],
  ['GET', '/api/v1/namespaces/default/pods/x/nonsense', 404],
  ['GET', '/nothing', 404],
  ['GET', '/openapi/v3/nothing', 404],
  ['DELETE', '/api/v1/namespaces', 405],
  ['PUT', '/api/v1/namespaces', 405],
  ['POST', '/api/v1/pods', 405],
  ['GET', '/api/v1/namespaces/default/pods/x/exec', 400],
  ['GET', '/api/v1/namespaces/default/pods/x/log', 404],
]

t.test('bad input', async t => {
  const { call } = await startApi(t)
  for (const [what, body, headers, status, message] of bodies) {
    t.test(`a body: ${what}`, async t => {
      const answer = await call('POST', configMaps, body, headers)
      t.equal(answer.status, status)
      t.equal(answer.body.kind, 'Status')
      t.match(answer.body.message, message)
    })
  }
  for (const [query, status, message] of queries) {
    t.test(`a query: ${query}`, async t => {
      const answer = await call('GET', `/api/v1/pods?${query}`)
      t.equal(answer.status, status)
      t.match(answer.body.message, message)
    })
  }
  for (const [method, path, status] of paths) {
    t.test(`${method} ${path} is ${status}`, async t => {
      t.equal((await call(method, path)).status, status)
    })
  }
  t.test('an answer in a form that there is not', async t => {
    const { status, body } = await call('GET', configMaps, undefined, { accept: 'text/csv' })
    t.equal(status, 406)
    t.match(body.message, /only the following media types are accepted: application\/json, application\/yaml/)
  })
  t.test('fields that a kind does not have are dropped, warned about or refused, as is asked', async t => {
    const odd = {
      kind: 'ConfigMap',
      apiVersion: 'v1',
      metadata: { name: 'odd' },
      dota: { a: 'b' },
      __proto__: null,
      constructor: {},
    }
    const strict = await call('POST', `${configMaps}?fieldValidation=Strict`, odd)
    t.match(strict.body.message, /strict decoding error: unknown field "dota"/)
    const warned = await call('POST', `${configMaps}?fieldValidation=Warn&dryRun=All`, odd)
    t.match(String(warned.headers.warning), /299 - "unknown field \\"dota\\""/)
    const stored = await call('POST', configMaps, odd)
    t.equal(stored.status, 201)
    t.notOk('dota' in stored.body)
  })
  t.test('after all that, it serves', async t => {
    t.equal((await call('GET', '/readyz')).text, 'ok')
  })
})
