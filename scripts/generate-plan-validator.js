// Compiles certs/plan.schema.json into src/pki/gen/plan-validator.js: compiling it at run time takes longer than making the PKI.
// `--check`: says whether the file is up to date, and changes nothing.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Ajv2020 } from 'ajv/dist/2020.js'
import standalone from 'ajv/dist/standalone/index.js'

const root = fileURLToPath(new URL('../', import.meta.url))
const target = join(root, 'src/pki/gen/plan-validator.js')

const schema = JSON.parse(readFileSync(join(root, 'certs/plan.schema.json'), 'utf8'))
const ajv = new Ajv2020({
  allErrors: true,
  verbose: true,
  strict: true,
  strictRequired: false,
  allowUnionTypes: true,
  code: { source: true, esm: true },
  schemas: [schema, { $id: 'changes', $ref: `${schema.$id}#/$defs/changes` }],
})
const text = `// Made by scripts/generate-plan-validator.js from certs/plan.schema.json. Do not edit.
${standalone.default(ajv, { plan: schema.$id, changes: 'changes' })}
`
if (!process.argv.includes('--check')) writeFileSync(target, text)
else if (readFileSync(target, 'utf8') !== text) {
  console.error('src/pki/gen/plan-validator.js is not up to date: run `node scripts/generate-plan-validator.js`')
  process.exitCode = 1
}
