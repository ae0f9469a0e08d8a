// Bundles src/ into dist/ (what is published and started). `--if-stale`: only when a source is newer than the last bundle.
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { Ajv2020 } from 'ajv/dist/2020.js'
import standalone from 'ajv/dist/standalone/index.js'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('../', import.meta.url))
const stamp = join(root, 'dist/.built')

/**
 * `await import('prom-client')`: Node finds the names of a CommonJS module, esbuild's chunk has only its default. So that both read the
 * same, the default stands in where it is all there is.
 */
const namesOfCommonJs = {
  name: 'names of CommonJS modules',
  setup(build) {
    build.onLoad({ filter: /\/src\/.*\.ts$/ }, ({ path }) => {
      const text = readFileSync(path, 'utf8')
      const contents = text.replaceAll(
        /\bimport\('(?![.#]|node:)([^']+)'\)/g,
        "import('$1').then(m => (Object.keys(m).join() === 'default' ? m.default : m))",
      )
      return { contents, loader: 'ts' }
    })
  },
}

/**
 * undici without what nobody here uses (fetch, WebSocket, caches, mocks: two thirds of it): its index, cut down to the names that src/ imports.
 * A name that is not one of its `const X = require('…')` lines is an error here, at build time.
 */
const slimUndici = {
  name: 'undici: what is used of it',
  setup(build) {
    build.onLoad({ filter: /[\\/]node_modules[\\/]undici[\\/]index\.js$/ }, ({ path }) => {
      const parts = new Map(
        [...readFileSync(path, 'utf8').matchAll(/^const (\w+) = require\('(\.[^']+)'\)$/gm)].map(([, name, part]) => [
          name,
          part,
        ]),
      )
      const lines = [...namesFrom('undici'), 'Dispatcher', 'api'].map(name => {
        if (!parts.has(name)) throw new Error(`scripts/build.js: undici's index.js has no part ${name}`)
        return `exports.${name} = require('${parts.get(name)}')`
      })
      return {
        contents: `${lines.join('\n')}\nObject.assign(exports.Dispatcher.prototype, exports.api)\n`,
        loader: 'js',
      }
    })
  },
}

/** src/…/validator.ts: the schema beside it, compiled. */
const compiledSchemas = {
  name: 'compiled JSON Schemas',
  setup(build) {
    build.onLoad({ filter: /\/src\/\w+\/validator\.ts$/ }, async ({ path }) => {
      const { [`${basename(dirname(path)).replace(/s$/, '')}Schema`]: schema } = await import(
        pathToFileURL(join(dirname(path), 'schema.ts'))
      )
      const ajv = new Ajv2020({
        allErrors: true,
        verbose: true,
        strict: false,
        // a part that is used often is one function: half the code
        inlineRefs: false,
        code: { source: true, esm: true },
      })
      return { contents: standalone.default(ajv, ajv.compile(schema())), loader: 'js' }
    })
  },
}

/** What src/ imports from a package, types left out. */
function namesFrom(specifier) {
  const names = new Set()
  for (const file of readdirSync(join(root, 'src'), { recursive: true })) {
    if (!file.endsWith('.ts')) continue
    const text = readFileSync(join(root, 'src', file), 'utf8')
    for (const [, list] of text.matchAll(new RegExp(`^import \\{([^}]+)\\} from '${specifier}'`, 'gm'))) {
      for (const name of list.split(',').map(word => word.trim()))
        if (name && !name.startsWith('type ')) names.add(name)
    }
  }
  return names
}

if (!(process.argv.includes('--if-stale') && isFresh())) {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: { 'cli/main': 'src/cli/main.ts', index: 'src/index.ts' },
    outdir: 'dist',
    bundle: true,
    splitting: true,
    platform: 'node',
    format: 'esm',
    target: 'node22.19',
    sourcemap: true,
    sourcesContent: false,
    legalComments: 'linked',
    logLevel: 'warning',
    // names stay, for stack traces; seven processes read every byte of it
    minifyWhitespace: true,
    minifySyntax: true,
    plugins: [compiledSchemas, namesOfCommonJs, slimUndici],
    metafile: true,
    // CommonJS dependencies call require() of Node's own modules.
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
    },
  })
  writeFileSync(stamp, '')
  sweep(new Set(Object.keys(metafile.outputs)))
}

/** Removes what earlier builds left; not what is younger than a day, since a mesh that runs may load a part of its bundle late. */
function sweep(current) {
  const yesterday = Date.now() - 86_400_000
  for (const name of readdirSync(join(root, 'dist'), { recursive: true })) {
    const file = join(root, 'dist', name)
    const stat = statSync(file, { throwIfNoEntry: false })
    if (stat?.isFile() && !current.has(`dist/${name}`) && name !== '.built' && stat.mtimeMs < yesterday)
      rmSync(file, { force: true })
  }
}

/** True when no file under src/ is newer than the last bundle. */
function isFresh() {
  if (!existsSync(stamp)) return false
  const builtAt = statSync(stamp).mtimeMs
  return readdirSync(join(root, 'src'), { recursive: true }).every(
    name => statSync(join(root, 'src', name)).mtimeMs <= builtAt,
  )
}
