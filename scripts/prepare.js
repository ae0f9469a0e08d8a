// After `npm ci` in a checkout: what cannot be in the lock file. Skipped where the development dependencies are not installed.
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../', import.meta.url))
const bin = join(root, 'node_modules/.bin')

// npx links the checkout into its cache and calls this again: there is nothing left to do.
if (process.env.npm_command === 'exec') process.exit(0)

if (existsSync(join(root, 'node_modules/esbuild'))) {
  execFileSync(process.execPath, [join(root, 'scripts/build.js')], { cwd: root, stdio: 'inherit' })
}
// tap's default plugin needs TypeScript's JavaScript API, which TypeScript 7 no longer has: build its plugin set as .taprc says.
if (existsSync(join(bin, 'tap'))) {
  execFileSync(join(bin, 'tap'), ['build'], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] })
}
