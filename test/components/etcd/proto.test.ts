import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { DescFile } from '@bufbuild/protobuf'
import t from 'tap'
import { file_etcdserverpb_rpc } from '#components/etcd/gen/etcdserverpb/rpc_pb.ts'
import { file_mvccpb_kv } from '#components/etcd/gen/mvccpb/kv_pb.ts'

/** `Message.field = number` and `Service.Method`, as the source has them. */
function declared(source: string): string[] {
  const names: string[] = []
  const within: string[] = []
  for (const line of source.split('\n')) {
    const opened = /^\s*(?:message|enum|service|oneof) (\w+) \{(\})?/.exec(line)
    if (opened && !opened[2]) within.push(/^\s*oneof/.test(line) ? '' : opened[1]!)
    else if (/^\s*\}/.test(line)) within.pop()
    const scope = within.filter(Boolean).join('.')
    const field = /^\s*(?:repeated )?[\w.]+ (\w+) = (\d+);/.exec(line)
    if (field) names.push(`${scope}.${field[1]} = ${field[2]}`)
    const method = /^\s*rpc (\w+)/.exec(line)
    if (method) names.push(`${scope}.${method[1]}`)
  }
  return names.sort()
}

function generated(file: DescFile): string[] {
  const fields = file.messages.flatMap(({ name, fields }) => fields.map(f => `${name}.${f.name} = ${f.number}`))
  const methods = file.services.flatMap(({ name, methods }) => methods.map(method => `${name}.${method.name}`))
  return [...fields, ...methods].sort()
}

for (const [path, file] of [
  ['mvccpb/kv.proto', file_mvccpb_kv],
  ['etcdserverpb/rpc.proto', file_etcdserverpb_rpc],
] as const) {
  t.test(`gen/ is up to date with ${path}`, async t => {
    const source = fileURLToPath(new URL(`../../../src/components/etcd/proto/${path}`, import.meta.url))
    t.strictSame(generated(file), declared(readFileSync(source, 'utf8')), 'else run `npm run generate:etcd`')
  })
}
