/** One's own certificate and key: from files, read again as the component's original does, or from memory. */
import { readFileSync } from 'node:fs'
import type { Log } from '#log.ts'
import { type KeyPair, readKeyPair } from '#x509/key-pair.ts'
import type { Voice } from '#x509/types.ts'
import { createSource, memorySource } from './source.ts'
import type { Identity, IdentitySource, Reload } from './types.ts'

export interface FileIdentityOptions {
  certFile: string
  /** May be the same file. */
  keyFile: string
  reload: Reload
  log: Log
  /**
   * Kubernetes' name of it (`serving-cert`, `aggregator-proxy-cert`): log lines and the error for an empty file name the pair
   * `serving-cert::CRT::KEY`. Left out: etcd's and client-go's words.
   */
  name?: string
  /** Default go1.24. */
  voice?: Voice
}

/**
 * A bad new file: by `watch` the old pair is kept and the log says so; by `handshake` the handshake fails, as etcd's does.
 * @throws Error in the original's words (`tls: private key does not match public key`), for files that cannot be used at start
 */
export function fileIdentity(options: FileIdentityOptions): IdentitySource {
  const { certFile, keyFile, log, name } = options
  const pair = `${name}::${certFile}::${keyFile}`
  return createSource<Identity>({
    files: [certFile, keyFile],
    reload: options.reload,
    load() {
      const own = readKeyPair(read(certFile), read(keyFile), {
        certificateFile: certFile,
        keyFile,
        voice: options.voice ?? 'go1.24',
        ...(name ? { reader: 'kube-apiserver', purpose: name } : {}),
      })
      return identityOf(own, certFile)
    },
    same: (a, b) => a.certificate === b.certificate && a.key === b.key,
    onLoaded: () => log.info('Loaded a new cert/key pair', { name: name ? pair : certFile }, name ? 0 : 4),
    onBad: error =>
      name
        ? log.error(`key failed with : ${error.message}`, error, { name: pair })
        : log.warn(
            (error as NodeJS.ErrnoException).code === 'ENOENT'
              ? 'failed to find peer cert files'
              : 'failed to create peer certificate',
            { 'cert-file': certFile, 'key-file': keyFile, error: error.message },
          ),
  })
}

export interface MemoryIdentity extends IdentitySource {
  /** @throws as `memoryIdentity`; the old one stays */
  set(certificate: string, key: string): void
}

/** @throws TrustplaneError in Go's words when the two do not fit together */
export function memoryIdentity(certificate: string, key: string, file?: string): MemoryIdentity {
  const { put, ...source } = memorySource(identityOf(readKeyPair(certificate, key), file))
  return { ...source, set: (newCertificate, newKey) => put(identityOf(readKeyPair(newCertificate, newKey), file)) }
}

const identityOf = (own: KeyPair, file?: string): Identity => ({ ...own, ...(file ? { file } : {}) })

/** Go's os.ReadFile: `open pki/ca.crt: no such file or directory`. */
export function read(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code
    const words: Record<string, string> = {
      ENOENT: 'no such file or directory',
      EACCES: 'permission denied',
      EISDIR: 'is a directory',
      ENOTDIR: 'not a directory',
    }
    const verb = code === 'EISDIR' ? 'read' : 'open'
    throw Object.assign(new Error(`${verb} ${path}: ${words[code ?? ''] ?? (cause as Error).message}`, { cause }), {
      code,
    })
  }
}
