/** Where the kubelet keeps certificates that it asked for: `<pair>-<date>.pem` with certificate and key, and `<pair>-current.pem` that points to it. */
import { readFileSync } from 'node:fs'
import { mkdir, readlink, rename, symlink, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { read } from '#tls/identity.ts'

export interface StoredPair {
  certificate: string
  key: string
  file: string
}

export class CertificateStore {
  readonly #folder: string
  readonly #pair: string

  /** @param pair `kubelet-client` or `kubelet-server` */
  constructor(folder: string, pair: string) {
    this.#folder = folder
    this.#pair = pair
  }

  get currentPath(): string {
    return join(this.#folder, `${this.#pair}-current.pem`)
  }

  /** Undefined when nothing was stored yet. @throws Error for a file that is there and cannot be read */
  current(): StoredPair | undefined {
    try {
      readFileSync(this.currentPath)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    }
    const text = read(this.currentPath)
    return { certificate: text, key: text, file: this.currentPath }
  }

  /** The link is swapped at once: whoever reads it finds the old pair or the new one. */
  async update(certificate: string, key: string, now: Date): Promise<StoredPair> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 })
    const stamp = now.toISOString().slice(0, 19).replaceAll(':', '-').replace('T', '-')
    const name = `${this.#pair}-${stamp}.pem`
    const content = `${certificate.trimEnd()}\n${key.trimEnd()}\n`
    await writeFile(join(this.#folder, `${name}.new`), content, { mode: 0o600 })
    await rename(join(this.#folder, `${name}.new`), join(this.#folder, name))
    const link = `${this.currentPath}.new`
    await unlink(link).catch(() => {})
    await symlink(name, link)
    await rename(link, this.currentPath)
    return { certificate, key, file: this.currentPath }
  }

  /** The file that `current` points to, for the log. */
  target = (): Promise<string> => readlink(this.currentPath)
}
