/** docs/library.md and src/index.ts hold each other: what is exported is told, what is told is exported, and every example runs. */
import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import * as library from '#index.ts'

// two control planes below: on a busy machine they take their time
t.setTimeout(120_000)

const path = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url))
const page = readFileSync(path('docs/library.md'), 'utf8')
const face = readFileSync(path('src/index.ts'), 'utf8')
const exported = new Map<string, unknown>(Object.entries(library))
const values = [...exported.keys()]

t.test('what the page lists is what the library has', t => {
  const reference = page.slice(page.indexOf('## Everything there is'))
  const listed = [...reference.matchAll(/^\|(.*?)\|/gm)].flatMap(([, cell]) =>
    [...cell!.matchAll(/`(\w+)/g)].map(([, name]) => name!),
  )
  t.strictSame(listed.toSorted(), values.toSorted())
  t.end()
})

t.test('every exported function has a documentation comment with an example', t => {
  /** Exported name → name and file of the source. */
  const sources = [...face.matchAll(/export \{([^}]*)\} from '#([^']+)'/g)].flatMap(([, names, file]) =>
    names!
      .split(',')
      .map(name => name.trim())
      .filter(name => name !== '' && !name.startsWith('type '))
      .map(name => {
        const [own, shown = own] = name.split(' as ')
        return { own: own!, shown: shown!, file: file! }
      }),
  )
  t.strictSame(sources.map(({ shown }) => shown).toSorted(), values.toSorted(), 'this test has found all of them')
  for (const { own, shown, file } of sources) {
    if (typeof exported.get(shown) !== 'function' || /^[A-Z]/.test(shown)) continue
    const text = readFileSync(path(`src/${file}`), 'utf8')
    const comment = new RegExp(
      `/\\*\\*((?:(?!\\*/)[\\s\\S])*)\\*/\\nexport (?:async function|function|const) ${own}\\b`,
    ).exec(text)?.[1]
    t.match(comment ?? '', /@example/, `${shown} (src/${file})`)
  }
  t.end()
})

t.test('every block of code on the page runs as it stands', async t => {
  const blocks = [...page.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)]
  t.strictSame([...new Set(blocks.map(([, language]) => language))], ['ts'], 'and there is no other kind')
  const dir = t.testdir({})
  const files = blocks.map(([, , code], index) => {
    const file = join(dir, `block-${index}.ts`)
    writeFileSync(file, code!.replaceAll("'trustplane'", "'#index.ts'"))
    return file
  })
  // one process for all: what is slow is to load the library
  const all = join(dir, 'all.ts')
  writeFileSync(
    all,
    files.map(file => `await import(${JSON.stringify(file)}); console.log(${JSON.stringify(file)})`).join('\n'),
  )
  // tap's own preloads would only slow it down
  const { NODE_OPTIONS: _, ...env } = process.env
  const child = spawn(process.execPath, [all], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (output += chunk))
  const status = await new Promise(resolve => child.on('close', resolve))
  t.equal(status, 0, 'exit status', { output: output.slice(-3000) })
  for (const file of files) t.ok(output.includes(file), `${file} ran to its end`)
})
