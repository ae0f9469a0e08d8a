// Bundles src/ into dist/ (what is published and started). `--if-stale`: only when a source is newer than the last bundle.
import { existsSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('../', import.meta.url))
const stamp = join(root, 'dist/.built')

if (!(process.argv.includes('--if-stale') && isFresh())) {
  rmSync(join(root, 'dist'), { recursive: true, force: true })
  await build({
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
    // CommonJS dependencies call require() of Node's own modules.
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
    },
  })
  writeFileSync(stamp, '')
}

/** True when no file under src/ is newer than the last bundle. */
function isFresh() {
  if (!existsSync(stamp)) return false
  const builtAt = statSync(stamp).mtimeMs
  return readdirSync(join(root, 'src'), { recursive: true }).every(
    name => statSync(join(root, 'src', name)).mtimeMs <= builtAt,
  )
}
