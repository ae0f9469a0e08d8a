/** Where the kubelet keeps certificates that it asked for: `<pair>-<date>.pem` with certificate and key, and `<pair>-current.pem` that points to it. */
import { readFileSync } from 'node:fs'
import { mkdir, readdir, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { read } from '#tls/identity.ts'

export interface StoredPair {
  certificate: string
  key: string
  file: string
}

/** Pairs that are kept besides the current one. */
const kept = 4

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

  /** The link is swapped at once: whoever reads it finds the old pair or the new one, whole, whatever happens here. */
  async update(certificate: string, key: string, now: Date): Promise<StoredPair> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 })
    const stamp = now.toISOString().slice(0, 19).replaceAll(':', '-').replace('T', '-')
    const name = `${this.#pair}-${stamp}.pem`
    const path = join(this.#folder, name)
    const content = `${certificate.trimEnd()}\n${key.trimEnd()}\n`
    try {
      await rm(`${path}.new`, { force: true })
      await writeFile(`${path}.new`, content, { mode: 0o600, flag: 'wx' })
      await rename(`${path}.new`, path)
    } catch (error) {
      await rm(`${path}.new`, { force: true })
      throw error
    }
    const link = `${this.currentPath}.new`
    await rm(link, { force: true })
    await symlink(name, link)
    await rename(link, this.currentPath)
    return { certificate, key, file: this.currentPath }
  }

  /** The original keeps every pair that it ever had; with short lives that would fill the disk. */
  async forgetOld(): Promise<void> {
    const isPair = (name: string) => name.startsWith(`${this.#pair}-`) && /-\d{4}(-\d\d){5}\.pem$/.test(name)
    const current = await readlink(this.currentPath)
    const names = (await readdir(this.#folder)).filter(name => isPair(name) && name !== current).sort()
    for (const name of names.slice(0, -kept)) await rm(join(this.#folder, name), { force: true })
  }
}
