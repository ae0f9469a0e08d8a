// Before `npm pack`: a fresh bundle without what earlier builds left, and the declarations of what the library shows (dist/types/).
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../', import.meta.url))
const types = join(root, 'dist/types')

function run(...words) {
  const { status } = spawnSync(process.execPath, words, { cwd: root, stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}

rmSync(join(root, 'dist'), { recursive: true, force: true })
run(join(root, 'scripts/build.js'))
run(join(root, 'node_modules/typescript/bin/tsc'), '-p', join(root, 'scripts/tsconfig.types.json'))

/**
 * `#tls/types.ts` and `./types.ts` are names of sources, which are not published: in a declaration they become relative, and `.js`,
 * as TypeScript of any version finds a `.d.ts` by.
 */
const specifier = /(from |import\()(['"])([#.][^'"]*)\.ts\2/g

/** Makes a file's specifiers relative, and returns the files that they name. */
function mend(file) {
  const named = []
  const text = readFileSync(file, 'utf8').replaceAll(specifier, (_, before, quote, path) => {
    const target = path.startsWith('#') ? join(types, path.slice(1)) : join(dirname(file), path)
    named.push(`${target}.d.ts`)
    const shown = relative(dirname(file), target)
    return `${before}${quote}${shown.startsWith('.') ? shown : `./${shown}`}.js${quote}`
  })
  writeFileSync(file, text)
  return named
}

const reached = new Set()
const open = [join(types, 'index.d.ts')]
for (let file = open.pop(); file; file = open.pop()) {
  if (reached.has(file)) continue
  reached.add(file)
  if (!existsSync(file))
    throw new Error(`scripts/pack.js: ${relative(root, file)} is named in a declaration, and is not there`)
  open.push(...mend(file))
}
for (const name of readdirSync(types, { recursive: true })) {
  const file = join(types, name)
  if (name.endsWith('.d.ts') && !reached.has(file)) rmSync(file)
}
