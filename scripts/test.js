// `npm test`: the checks, then tap; the last line counts, for people and for CI. Arguments go to tap.
import { spawn, spawnSync } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../', import.meta.url))
// as npm does it for its scripts: the project's programs and its Node come first
process.env.PATH = `${join(root, 'node_modules/.bin')}${delimiter}${process.env.PATH}`
const [major] = process.versions.node.split('.').map(Number)
if (major < 22) {
  console.error(
    `the tests need the Node that \`npm ci\` brings (node_modules/.bin/node), this is ${process.versions.node}: run \`npm ci\` without --ignore-scripts`,
  )
  process.exit(4)
}

const run = (command, args) => spawnSync(command, args, { cwd: root, stdio: 'inherit' }).status ?? 1
if (!process.env.TRUSTPLANE_SKIP_CHECK) {
  console.log('check: format, lint, import directions, types, dead code')
  const checked = run('npm', ['run', '--silent', 'check'])
  if (checked !== 0) {
    console.log('0 passed, 1 failed, 0 skipped')
    process.exit(checked)
  }
}
const built = run(process.execPath, ['scripts/build.js', '--if-stale'])
if (built !== 0) process.exit(built)

const files = process.argv.slice(2)
// Every file is a process of its own that reads much the same sources: what V8 made of them the first time is kept.
process.env.NODE_COMPILE_CACHE ??= join(root, 'node_modules/.cache/trustplane-tests')
// tap leaves cores free by itself
const jobs = `--jobs=${availableParallelism()}`
const tap = spawn('tap', ['run', '--reporter=tap', jobs, ...files], { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] })
const counts = { passed: 0, failed: 0, skipped: 0 }
const failing = []
const skippedNames = []
// What a failing assertion says (its line, the YAML below it) is shown as it comes: a CI log is often all that one has.
let telling = false
function diagnose(line) {
  if (/^ {8,}not ok /.test(line)) telling = true
  else if (/^\s*(not )?ok \d/.test(line) || /^\s*# Subtest/.test(line)) telling = false
  if (telling || /^\s*Bail out!/.test(line)) console.log(line)
}
for await (const line of createInterface({ input: tap.stdout })) {
  // A test file is a top-level point, its tests are the next level: those are counted, and shown when they are not plainly green.
  const point = /^( {4})?(not )?ok \d+(?: - )?(.*?)(?: # (SKIP|TODO|time=\S+)(.*))?$/i.exec(line)
  if (!point) {
    diagnose(line)
    continue
  }
  telling = Boolean(point[2])
  const [, indent, not, name, directive = ''] = point
  if (!indent) {
    console.log(`${not ? '✗' : '✓'} ${name}${directive.startsWith('time') ? ` (${directive.slice(5)})` : ''}`)
    if (not && !failing.some(f => f.file === undefined)) failing.push({ name })
    continue
  }
  if (/^skip/i.test(directive)) {
    counts.skipped++
    skippedNames.push(`${name}${point[5] ?? ''}`)
  } else if (not) {
    counts.failed++
    console.log(`    ✗ ${name}`)
  } else counts.passed++
}
const status = await new Promise(resolve => (tap.exitCode === null ? tap.once('exit', resolve) : resolve(tap.exitCode)))
if (status !== 0 && counts.failed === 0) counts.failed = 1
if (skippedNames.length > 0) console.log(`skipped:\n${skippedNames.map(name => `  ${name}`).join('\n')}`)
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`)
process.exit(status === 0 && counts.failed > 0 ? 1 : (status ?? 1))
