/** Protobuf bodies, built here field by field as kubectl ≥ 1.32 sends them. */
import t from 'tap'
import { decodeProtobuf } from '#components/kube-apiserver/protobuf/decode.ts'

const field = (number: number, value: Buffer | string) => {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value
  t.ok(bytes.length < 128, 'short enough for one length byte')
  return Buffer.concat([Buffer.from([number * 8 + 2, bytes.length]), bytes])
}
const varint = (number: number, value: number) => Buffer.from([number * 8, value])
const object = (...parts: Buffer[]) => Buffer.concat(parts)
const body = (apiVersion: string, kind: string, raw: Buffer) =>
  object(Buffer.from('k8s\0'), field(1, object(field(1, apiVersion), field(2, kind))), field(2, raw))

t.test('a config map, with maps and times', async t => {
  const entry = (key: string, value: string) => object(field(1, key), field(2, value))
  const metadata = object(
    field(1, 'settings'),
    field(3, ''),
    field(8, object(varint(1, 0))),
    field(11, entry('a', 'b')),
  )
  const raw = object(field(1, metadata), field(2, entry('colour', 'blue')), field(2, entry('size', '7')))
  t.strictSame(decodeProtobuf(body('v1', 'ConfigMap', raw), { kind: 'ConfigMap', group: '', version: 'v1' }), {
    kind: 'ConfigMap',
    apiVersion: 'v1',
    metadata: { name: 'settings', creationTimestamp: '1970-01-01T00:00:00Z', labels: { a: 'b' } },
    data: { colour: 'blue', size: '7' },
  })
})

t.test('a pod: inline messages, lists, integers or strings, quantities', async t => {
  const port = object(field(1, 'http'), varint(3, 80))
  const probe = object(
    field(1, object(field(2, object(field(1, '/'), field(2, object(varint(1, 1), field(3, 'http'))))))),
    varint(4, 5),
  )
  const limits = object(field(1, 'cpu'), field(2, object(field(1, '100m'))))
  const container = object(
    field(1, 'web'),
    field(2, 'nginx'),
    field(6, port),
    field(8, object(field(1, limits))),
    field(11, probe),
  )
  const volume = object(field(1, 'v'), field(2, object(field(2, object()))))
  const raw = object(field(2, object(field(1, volume), field(2, container))))
  const decoded = decodeProtobuf(body('v1', 'Pod', raw), { kind: 'Pod', group: '', version: 'v1' }) as { spec: object }
  t.match(decoded.spec, {
    volumes: [{ name: 'v', emptyDir: {} }],
    containers: [
      {
        name: 'web',
        image: 'nginx',
        ports: [{ name: 'http', containerPort: 80 }],
        resources: { limits: { cpu: '100m' } },
        readinessProbe: { httpGet: { path: '/', port: 'http' }, periodSeconds: 5 },
      },
    ],
  })
})

const wrong: [what: string, bytes: Buffer][] = [
  ['no magic', Buffer.from('garbage')],
  ['nothing', Buffer.alloc(0)],
  ['a length beyond the end', Buffer.from('k8s\0\x12\x7fx')],
  ['an endless number', Buffer.concat([Buffer.from('k8s\0\x08'), Buffer.alloc(20, 0xff)])],
  ['a wire type that is none', Buffer.from('k8s\0\x0f')],
]
for (const [what, bytes] of wrong) {
  t.test(`${what} is a bad request`, async t => {
    t.throws(() => decodeProtobuf(bytes, { kind: 'Pod', group: '', version: 'v1' }), { code: 400 })
  })
}
