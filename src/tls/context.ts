/** One SecureContext for each generation of an identity: a fresh one a connection costs 39 % more CPU (Node 24.21). */
import { constants } from 'node:crypto'
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls'
import type { Voice } from '#x509/types.ts'
import { caNames } from './ca-names.ts'
import { groups, opensslCiphers, signatureAlgorithms } from './suites.ts'
import type { Bundle, Identity, TlsVersion } from './types.ts'

export interface ContextOptions {
  voice: Voice
  minVersion?: TlsVersion
  maxVersion?: TlsVersion
  cipherSuites?: readonly string[]
}

/** A function from identity (or none) to context that remembers the last one it made; clients are told the names of the `bundles`' CAs. */
export function contextMaker(
  options: ContextOptions,
): (identity: Identity | undefined, bundles?: readonly Bundle[]) => SecureContext {
  let last: { identity: Identity | undefined; bundles: readonly Bundle[]; context: SecureContext } | undefined
  return (identity, bundles = []) => {
    const holds =
      last?.identity === identity &&
      last?.bundles.length === bundles.length &&
      bundles.every(({ roots }, i) => roots === last?.bundles[i]?.roots)
    if (!last || !holds) {
      last = { identity, bundles, context: createContext(identity, options, caNames(bundles.flatMap(b => b.roots))) }
    }
    return last.context
  }
}

function createContext(identity: Identity | undefined, options: ContextOptions, ca: string[]): SecureContext {
  const settings: SecureContextOptions = {
    minVersion: options.minVersion ?? 'TLSv1.2',
    maxVersion: options.maxVersion ?? 'TLSv1.3',
    ciphers: opensslCiphers(options.voice, options.cipherSuites),
    honorCipherOrder: true,
    sigalgs: signatureAlgorithms,
    ecdhCurve: groups(options.voice),
    // A resumed session would skip the certificate; renegotiation is off in Go's servers.
    // Go's clients do not ask whether a server knows RFC 5746, as they never renegotiate.
    secureOptions:
      constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_LEGACY_SERVER_CONNECT,
    // Names at most, no trust anchors: OpenSSL's verdict is not asked for, and it saves the signature checks. Undefined would load the system's.
    ca,
  }
  return createSecureContext(identity ? { ...settings, cert: identity.certificate, key: identity.key } : settings)
}
