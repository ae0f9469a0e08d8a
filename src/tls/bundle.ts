/** What the other end is verified with: from a file, read by the rules of the component that reads it, or from memory. */
import type { Log } from '#log.ts'
import { type BundleReader, readBundle } from '#x509/pem.ts'
import type { Certificate, Voice } from '#x509/types.ts'
import { read } from './identity.ts'
import { createSource, memorySource } from './source.ts'
import type { Bundle, BundleSource, Reload } from './types.ts'

export interface FileBundleOptions {
  file: string
  /** Whose rules: what counts as a certificate in the file, and what makes it unusable (go-verdicts.md §3.1). */
  reader: BundleReader
  reload: Reload
  log: Log
  /** Kubernetes' name of it, `client-ca-bundle` by default: it stands before the file's name in log lines and errors. */
  name?: string
  /** Default go1.24. */
  voice?: Voice
}

/**
 * A bad new file keeps the old bundle, and the log says so.
 * @throws Error in the original's words, without the place (`listener failed: `, `Error: `), for a file that cannot be used at start
 */
export function fileBundle(options: FileBundleOptions): BundleSource {
  const { file, reader, log } = options
  const name = `${options.name ?? 'client-ca-bundle'}::${file}`
  const source = createSource<Bundle & { text: string }>({
    files: [file],
    // a bundle that a handshake reads anew is no original's
    reload: options.reload === 'start' ? 'start' : 'watch',
    load() {
      const text = read(file)
      return {
        roots: readBundle(text, reader, {
          file,
          voice: options.voice ?? 'go1.24',
          ...(options.name ? { purpose: options.name } : {}),
        }),
        file,
        text,
      }
    },
    same: (a, b) => a.text === b.text,
    onLoaded: () => log.info('Loaded a new CA Bundle and Verifier', { name }),
    onBad: error => log.error(`key failed with : ${error.message}`, error, { name }),
  })
  return source
}

export interface MemoryBundle extends BundleSource {
  set(roots: string | readonly Certificate[]): void
}

/** PEM is read as client-go reads it. */
export function memoryBundle(roots: string | readonly Certificate[], file?: string): MemoryBundle {
  const bundleOf = (given: string | readonly Certificate[]): Bundle => ({
    roots: typeof given === 'string' ? readBundle(given, 'client-go', file ? { file } : {}) : given,
    ...(file ? { file } : {}),
  })
  const { put, ...source } = memorySource(bundleOf(roots))
  return { ...source, set: given => put(bundleOf(given)) }
}
