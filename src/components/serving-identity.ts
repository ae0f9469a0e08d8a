/** Which certificate a component serves: SecureServingOptions.MaybeDefaultWithSelfSignedCerts. */
import { existsSync } from 'node:fs'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Clock } from '#clock.ts'
import { TrustplaneError } from '#errors.ts'
import type { Log } from '#log.ts'
import { fileIdentity, memoryIdentity } from '#tls/identity.ts'
import type { IdentitySource } from '#tls/types.ts'
import { defaultServingPair } from './default-serving-pair.ts'

export interface ServingIdentityOptions {
  /** For errors: `kube-scheduler`. */
  component: string
  certFile?: string | undefined
  keyFile?: string | undefined
  certDir?: string | undefined
  /** Of the files in `certDir`, without `.crt` and `.key`. */
  pairName: string
  /** In the certificate that is made. */
  host: string
  ipAddresses?: readonly string[]
  clock: Clock
  log: Log
}

/**
 * The files that were named; else the pair in `certDir`, which is made when it is missing; else one in memory.
 * Files are watched, as DynamicFileServingContent does.
 */
export async function servingIdentity(options: ServingIdentityOptions): Promise<IdentitySource> {
  const { component, certFile, keyFile, certDir, pairName, log } = options
  const fromFiles = (cert: string, key: string) =>
    fileIdentity({ certFile: cert, keyFile: key, reload: 'watch', log, name: 'serving-cert' })
  if (certFile && keyFile) return fromFiles(certFile, keyFile)
  if (certFile || keyFile) {
    throw new TrustplaneError(
      'TP_FLAG_INVALID',
      `${component}: --tls-cert-file and --tls-private-key-file must be given together`,
      { fix: 'give both, or neither' },
    )
  }
  const place = certDir ? { cert: join(certDir, `${pairName}.crt`), key: join(certDir, `${pairName}.key`) } : undefined
  if (place && existsSync(place.cert) && existsSync(place.key)) return fromFiles(place.cert, place.key)
  const names = options.ipAddresses ? { ipAddresses: options.ipAddresses } : {}
  const pair = await defaultServingPair(options.host, options.clock, names)
  if (!place) {
    log.info('Generated self-signed cert in-memory')
    return memoryIdentity(pair.certificate, pair.key)
  }
  await mkdir(dirname(place.cert), { recursive: true, mode: 0o700 })
  await put(place.key, pair.key, 0o600)
  await put(place.cert, pair.certificate, 0o644)
  log.info(`Generated self-signed cert (${place.cert}, ${place.key})`)
  return fromFiles(place.cert, place.key)
}

/** Whole or not at all: somebody may be about to read it. */
export async function put(path: string, content: string, mode: number): Promise<void> {
  const temporary = `${path}.${process.pid}.new`
  await writeFile(temporary, content, { mode })
  await rename(temporary, path)
}
