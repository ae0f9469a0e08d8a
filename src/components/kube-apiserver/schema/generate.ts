/**
 * Makes types.json: every type of the API's kinds that are served, out of Kubernetes' own `generated.proto` and `types.go`
 * (Debian's golang-k8s-api-dev and golang-k8s-apimachinery-dev; Apache-2.0, The Kubernetes Authors).
 *
 *   node src/components/kube-apiserver/schema/generate.ts DIR/usr/share/gocode/src/k8s.io [--check]
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { aggregator } from './aggregator.ts'
import { apiextensions } from './apiextensions.ts'
import type { FieldSchema, Schema, TypeSchema } from './types.ts'

/** Short name of each package, its folder, and the kinds to begin with; what they refer to comes along. */
const packages: { id: string; folder: string; kinds: string }[] = [
  { id: 'meta.v1', folder: 'apimachinery/pkg/apis/meta/v1', kinds: 'Status DeleteOptions WatchEvent' },
  { id: 'intstr', folder: 'apimachinery/pkg/util/intstr', kinds: '' },
  { id: 'resource', folder: 'apimachinery/pkg/api/resource', kinds: '' },
  { id: 'runtime', folder: 'apimachinery/pkg/runtime', kinds: '' },
  {
    id: 'core.v1',
    folder: 'api/core/v1',
    kinds: 'Binding ComponentStatus ConfigMap Endpoints Event Namespace Node Pod Secret Service ServiceAccount',
  },
  {
    id: 'admissionregistration.v1',
    folder: 'api/admissionregistration/v1',
    kinds: 'MutatingWebhookConfiguration ValidatingWebhookConfiguration',
  },
  { id: 'apps.v1', folder: 'api/apps/v1', kinds: 'ControllerRevision DaemonSet Deployment ReplicaSet StatefulSet' },
  { id: 'authentication.v1', folder: 'api/authentication/v1', kinds: 'SelfSubjectReview TokenRequest TokenReview' },
  {
    id: 'authorization.v1',
    folder: 'api/authorization/v1',
    kinds: 'LocalSubjectAccessReview SelfSubjectAccessReview SelfSubjectRulesReview SubjectAccessReview',
  },
  { id: 'autoscaling.v1', folder: 'api/autoscaling/v1', kinds: 'Scale' },
  { id: 'certificates.v1', folder: 'api/certificates/v1', kinds: 'CertificateSigningRequest' },
  { id: 'coordination.v1', folder: 'api/coordination/v1', kinds: 'Lease' },
  { id: 'discovery.v1', folder: 'api/discovery/v1', kinds: 'EndpointSlice' },
  { id: 'events.v1', folder: 'api/events/v1', kinds: 'Event' },
  { id: 'policy.v1', folder: 'api/policy/v1', kinds: 'Eviction' },
  { id: 'rbac.v1', folder: 'api/rbac/v1', kinds: 'ClusterRole ClusterRoleBinding Role RoleBinding' },
]

const groupOf: Record<string, string> = {
  'admissionregistration.v1': 'admissionregistration.k8s.io',
  'apps.v1': 'apps',
  'authentication.v1': 'authentication.k8s.io',
  'authorization.v1': 'authorization.k8s.io',
  'autoscaling.v1': 'autoscaling',
  'certificates.v1': 'certificates.k8s.io',
  'coordination.v1': 'coordination.k8s.io',
  'discovery.v1': 'discovery.k8s.io',
  'events.v1': 'events.k8s.io',
  'policy.v1': 'policy',
  'rbac.v1': 'rbac.authorization.k8s.io',
}

/** Written in JSON as something else than an object. */
const leaves = new Set([
  'meta.v1.Time',
  'meta.v1.MicroTime',
  'meta.v1.Duration',
  'meta.v1.FieldsV1',
  'resource.Quantity',
  'intstr.IntOrString',
  'runtime.RawExtension',
])

const idOf = new Map(packages.map(({ id, folder }) => [`k8s.io.${folder.replaceAll('/', '.')}`, id]))

/** Lines of a doc comment: words for people, and `+markers`. */
function readDoc(lines: readonly string[]): { text: string; markers: Map<string, string> } {
  const markers = new Map<string, string>()
  const words: string[] = []
  for (const line of lines) {
    const marker = /^\+([\w:.()-]+)(?:=(.*))?$/.exec(line.trim())
    if (marker)
      markers.set(marker[1]!, markers.has(marker[1]!) ? `${markers.get(marker[1]!)},${marker[2]}` : (marker[2] ?? ''))
    else if (line.trim() === '---') break
    else if (!/^TODO/.test(line.trim())) words.push(line.trim())
  }
  // As gengo's formatRawDoc: lines of a paragraph are joined.
  const text = words
    .join('\n')
    .trim()
    .replace(/([^\n])\n(?=[^\n-])/g, '$1 ')
    .replace(/\n{2,}/g, '\n\n')
  return { text, markers }
}

const scalars = new Set(['string', 'int32', 'int64', 'uint32', 'uint64', 'bool', 'double', 'bytes'])

function parseProto(text: string, id: string, schema: Schema): void {
  let doc: string[] = []
  let current: TypeSchema | undefined
  const resolve = (type: string): string => {
    if (scalars.has(type)) return type
    const path = type.replace(/^\./, '')
    const at = path.lastIndexOf('.')
    return at === -1 ? `${id}.${path}` : `${idOf.get(path.slice(0, at)) ?? path.slice(0, at)}.${path.slice(at + 1)}`
  }
  for (const raw of text.split('\n')) {
    const line = raw.trim()
    if (line.startsWith('//')) {
      doc.push(line.slice(2).replace(/^ /, ''))
      continue
    }
    const message = /^message (\w+) \{$/.exec(line)
    const field = /^(repeated|optional)?\s*(map<string, ([\w.]+)>|[\w.]+) (\w+) = (\d+)/.exec(line)
    if (message) {
      const { text: d, markers } = readDoc(doc)
      current = { ...(d ? { d } : {}), f: {} }
      if (markers.get('structType') === 'atomic') current.x = 1
      schema[`${id}.${message[1]}`] = current
    } else if (field && current) current.f[field[4]!] = fieldOf(field, doc, resolve)
    else if (line === '}') current = undefined
    if (line !== '' || message) doc = []
  }
}

function fieldOf(match: RegExpExecArray, doc: readonly string[], resolve: (type: string) => string): FieldSchema {
  const { text, markers } = readDoc(doc)
  const listKeys = markers.get('listMapKey')
  const strategy = markers.get('patchStrategy')
  const mergeKey = markers.get('patchMergeKey')
  const listType = markers.get('listType')
  return {
    i: Number(match[5]),
    t: resolve(match[3] ?? match[2]!),
    ...(match[1] === 'repeated' ? { a: 1 } : {}),
    ...(match[3] ? { m: 1 } : {}),
    ...(markers.has('optional') ? { o: 1 } : {}),
    ...(strategy ? { s: strategy } : {}),
    ...(mergeKey ? { k: mergeKey } : {}),
    ...(listType ? { l: listType as 'map' | 'set' | 'atomic' } : {}),
    ...(listKeys ? { lk: listKeys.split(',') } : {}),
    ...(markers.get('mapType') === 'atomic' || markers.get('structType') === 'atomic' ? { x: 1 } : {}),
    ...(text ? { d: text } : {}),
  }
}

/** What only types.go knows: names in JSON, which fields are inline, and which may be left out. */
function readGo(text: string, id: string, schema: Schema): void {
  let type: TypeSchema | undefined
  for (const line of text.split('\n')) {
    const struct = /^type (\w+) struct \{/.exec(line)
    if (struct) type = schema[`${id}.${struct[1]}`]
    const tag = /`json:"([^"]*)".* protobuf:"\w+,(\d+),/.exec(line)
    const field = tag && type && Object.values(type.f).find(({ i }) => i === Number(tag[2]))
    if (field && type && tag) type.f = renamed(type.f, field, tag[1]!.split(',')[0]!)
    if (field && tag[1]!.startsWith(',inline')) field.n = 1
    else if (field && tag[1]!.includes('omitempty')) field.o = 1
    const strategy = /patchStrategy:"([^"]*)"/.exec(line)?.[1]
    const key = /patchMergeKey:"([^"]*)"/.exec(line)?.[1]
    if (field && strategy) field.s = strategy
    if (field && key) field.k = key
    if (line === '}') type = undefined
  }
}

/** JSON has the name of the tag, which is not always the message's (`Webhooks`). */
function renamed(fields: TypeSchema['f'], field: FieldSchema, name: string): TypeSchema['f'] {
  return name === '' || fields[name] === field
    ? fields
    : Object.fromEntries(Object.entries(fields).map(([key, each]) => [each === field ? name : key, each]))
}

export function generate(root: string): Schema {
  const all: Schema = {}
  for (const { id, folder } of packages) {
    parseProto(readFileSync(join(root, folder, 'generated.proto'), 'utf8'), id, all)
    const go = join(root, folder, 'types.go')
    if (existsSync(go)) readGo(readFileSync(go, 'utf8'), id, all)
  }
  Object.assign(all, aggregator, apiextensions)
  const wanted = [
    ...packages.flatMap(({ id, kinds }) =>
      kinds
        .split(' ')
        .filter(Boolean)
        .map(kind => `${id}.${kind}`),
    ),
    ...Object.keys(aggregator),
    ...Object.keys(apiextensions),
  ]
  const kept: Schema = {}
  const take = (id: string) => {
    const type = all[id]
    if (!type || kept[id]) return
    kept[id] = type
    if (leaves.has(id)) {
      type.f = {}
      return
    }
    for (const { t } of Object.values(type.f)) if (!scalars.has(t)) take(t)
  }
  for (const id of [...wanted, 'meta.v1.ListMeta']) take(id)
  for (const [id, type] of Object.entries(kept)) {
    const at = id.lastIndexOf('.')
    const pkg = id.slice(0, at)
    const metadata = type.f.metadata?.t
    if (metadata === 'meta.v1.ObjectMeta' && wanted.includes(id) && !type.g)
      type.g = [groupOf[pkg] ?? '', 'v1', id.slice(at + 1)]
  }
  return Object.fromEntries(Object.entries(kept).sort(([a], [b]) => (a < b ? -1 : 1)))
}

if (process.argv[1] === import.meta.filename) {
  const [root, flag] = process.argv.slice(2)
  if (!root) throw new Error('usage: generate.ts <folder with k8s.io/api and k8s.io/apimachinery> [--check]')
  const bytes = gzipSync(JSON.stringify(generate(root)), { level: 9 })
  const file = join(import.meta.dirname, 'types.json.gz')
  if (flag !== '--check') writeFileSync(file, bytes)
  else if (!readFileSync(file).equals(bytes))
    throw new Error('types.json.gz is not what these sources give: run without --check')
}
