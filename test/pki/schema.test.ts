import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { packageRoot } from '#pki/package-root.ts'
import { trustSlots } from '#pki/trust-slots.ts'
import { extKeyUsages, keyAlgorithms, keyUsages, signatureHashes } from '#pki/types.ts'

type Schema = {
  description?: string
  enum?: string[]
  properties?: Record<string, Schema>
  items?: Schema
  $ref?: string
  $defs?: Record<string, Schema>
}
const schema = JSON.parse(readFileSync(join(packageRoot(), 'certs/plan.schema.json'), 'utf8')) as Schema

t.test('the compiled schema is up to date', async t => {
  const script = join(packageRoot(), 'scripts/generate-plan-validator.js')
  const { status, stderr } = spawnSync(process.execPath, [script, '--check'], { encoding: 'utf8' })
  t.equal(status, 0, stderr)
})

t.test('the schema’s words are the code’s', async t => {
  const row = schema.$defs!.certificate!.properties!
  t.strictSame(schema.$defs!.keyAlgorithm!.enum, keyAlgorithms)
  t.strictSame(row.signatureHash!.enum, signatureHashes)
  t.strictSame(row.keyUsages!.items!.enum, keyUsages)
  t.strictSame(row.extKeyUsages!.items!.enum, extKeyUsages)
  for (const slots of [schema.properties!.trust!, schema.$defs!.changes!.properties!.trust!]) {
    t.strictSame(
      Object.fromEntries(Object.entries(slots.properties!).map(([slot, { description }]) => [slot, description])),
      trustSlots,
    )
  }
})

t.test('every key has a description, so that editors can explain it', async t => {
  const walk = (node: Schema, path: string) => {
    for (const [key, child] of Object.entries(node.properties ?? {})) {
      const described = child.description ?? (child.$ref && schema.$defs![child.$ref.split('/').at(-1)!]?.description)
      t.ok(described || path.endsWith('changes'), `${path}.${key}`)
      walk(child, `${path}.${key}`)
    }
  }
  walk(schema, 'plan')
  for (const [name, definition] of Object.entries(schema.$defs!)) walk(definition, name)
})
