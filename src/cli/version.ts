/** What `--version` says. */
import { existsSync, readFileSync } from 'node:fs'

/** package.json is two folders up from src/cli/, and one or two from the bundle, depending on the chunk. */
export function versions(): { trustplane: string; node: string; openssl: string } {
  for (const up of ['../', '../../']) {
    const file = new URL(`${up}package.json`, import.meta.url)
    if (!existsSync(file)) continue
    const { name, version } = JSON.parse(readFileSync(file, 'utf8')) as { name: string; version: string }
    if (name === 'trustplane') {
      return { trustplane: version, node: process.versions.node, openssl: process.versions.openssl }
    }
  }
  return { trustplane: 'unknown', node: process.versions.node, openssl: process.versions.openssl }
}
