// After `npm ci` in a checkout: what cannot be in the lock file. Skipped where the development dependencies are not installed.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../', import.meta.url))
const bin = join(root, 'node_modules/.bin')

if (existsSync(join(root, 'node_modules/esbuild'))) {
  execFileSync(process.execPath, [join(root, 'scripts/build.js')], { cwd: root, stdio: 'inherit' })
  // `npx trustplane` looks here first; without it npx would install the checkout into its own cache.
  mkdirSync(bin, { recursive: true })
  rmSync(join(bin, 'trustplane'), { force: true })
  symlinkSync('../../bin/trustplane.js', join(bin, 'trustplane'))
}
// tap's default plugin needs TypeScript's JavaScript API, which TypeScript 7 no longer has: build its plugin set as .taprc says.
if (existsSync(join(bin, 'tap'))) {
  execFileSync(join(bin, 'tap'), ['build'], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] })
}
