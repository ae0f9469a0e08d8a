#!/usr/bin/env node
// The way in. Plain JavaScript that any Node since 12 can read: it finds a Node that is new enough, then hands over.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import module from 'node:module'
import { fileURLToPath } from 'node:url'

const root = new URL('../', import.meta.url)
const path = relative => fileURLToPath(new URL(relative, root))
const [major, minor] = process.versions.node.split('.').map(Number)

if (major > 22 || (major === 22 && minor >= 19)) {
  if (module.enableCompileCache) module.enableCompileCache()
  const built = path('dist/cli/main.js')
  const { main } = await import(
    existsSync(built) ? new URL('dist/cli/main.js', root) : new URL('src/cli/main.ts', root)
  )
  process.exitCode = await main(process.argv.slice(2))
} else {
  // `npm ci` in a checkout brings Node 24 along (the `node` package).
  const ownNode = path('node_modules/node/bin/node')
  if (existsSync(ownNode)) {
    const child = spawn(ownNode, [path('bin/trustplane.js'), ...process.argv.slice(2)], { stdio: 'inherit' })
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
    child.on('exit', (code, signal) => (process.exitCode = code === null ? 128 + (signal === 'SIGINT' ? 2 : 15) : code))
  } else {
    console.error(
      `trustplane needs Node 22.19 or newer, this is ${process.versions.node}: run \`npm ci\` here, which brings Node 24, or install one from nodejs.org`,
    )
    process.exitCode = 4
  }
}
