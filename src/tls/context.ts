/** One SecureContext for each generation of an identity: a fresh one a connection costs 39 % more CPU (Node 24.21). */
import { constants } from 'node:crypto'
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls'
import type { Voice } from '#x509/types.ts'
import { groups, opensslCiphers, signatureAlgorithms } from './suites.ts'
import type { Identity } from './types.ts'

export interface ContextOptions {
  voice: Voice
  minVersion?: 'TLSv1.2' | 'TLSv1.3'
  maxVersion?: 'TLSv1.2' | 'TLSv1.3'
  cipherSuites?: readonly string[]
}

/** A function from identity (or none) to context that remembers the last one it made. */
export function contextMaker(options: ContextOptions): (identity: Identity | undefined) => SecureContext {
  let last: { identity: Identity | undefined; context: SecureContext } | undefined
  return identity => {
    if (last?.identity !== identity || !last) last = { identity, context: createContext(identity, options) }
    return last.context
  }
}

function createContext(identity: Identity | undefined, options: ContextOptions): SecureContext {
  const settings: SecureContextOptions = {
    minVersion: options.minVersion ?? 'TLSv1.2',
    maxVersion: options.maxVersion ?? 'TLSv1.3',
    ciphers: opensslCiphers(options.voice, options.cipherSuites),
    honorCipherOrder: true,
    sigalgs: signatureAlgorithms,
    ecdhCurve: groups(options.voice),
    // A resumed session would skip the certificate; renegotiation is off in Go's servers.
    secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
    // No trust anchors: OpenSSL's verdict is not asked for, and it saves the signature checks. Not undefined: that would load the system's.
    ca: [],
  }
  if (!identity) return createSecureContext(settings)
  try {
    return createSecureContext({ ...settings, cert: identity.certificate, key: identity.key })
  } catch (error) {
    // Go parses only the first certificate of its own chain; OpenSSL wants to read them all.
    const first = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/.exec(identity.certificate)?.[0]
    if (!first || identity.chain.length < 2) throw error
    return createSecureContext({ ...settings, cert: first, key: identity.key })
  }
}
