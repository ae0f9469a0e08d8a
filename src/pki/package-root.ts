/** Where trustplane itself is installed: certs/ and scenarios/ lie there, whether the code runs from src/ or from a bundle in dist/. */
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

let found: string | undefined

/** The folder of the package.json named trustplane above this file. */
export function packageRoot(): string {
  if (found) return found
  for (let folder = import.meta.dirname; ; folder = dirname(folder)) {
    try {
      const { name } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { name?: string }
      if (name === 'trustplane') {
        found = folder
        return folder
      }
    } catch {
      // no package.json here: look one folder up
    }
    if (folder === dirname(folder)) throw new Error(`no package.json named trustplane above ${import.meta.dirname}`)
  }
}
