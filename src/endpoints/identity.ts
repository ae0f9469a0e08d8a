/** A fixture as what an end shows: also where a Go program would not load it, since the other end's judgement is what we are after. */
import type { Identity, IdentitySource } from '#tls/types.ts'
import { parseCertificate } from '#x509/certificate.ts'
import { certificateBlocks } from '#x509/pem.ts'
import type { Certificate } from '#x509/types.ts'
import type { CertificateFixture } from './fixture.ts'

/** What crypto/tls says when it loads the pair; the other end reads an internal_error alert, or nothing. */
const mismatch = 'tls: private key does not match public key'

/** Undefined when there is nothing to show. */
export function fixtureIdentity(
  fixture: Pick<CertificateFixture, 'name' | 'chain' | 'key'>,
): IdentitySource | undefined {
  if (fixture.chain === '') return undefined
  const identity: Identity = {
    certificate: fixture.chain,
    key: fixture.key,
    chain: certificateBlocks(fixture.chain).flatMap(parsed),
  }
  return {
    current() {
      if (fixture.name === 'key-mismatch') throw new Error(mismatch)
      return identity
    },
    onChange: () => () => {},
    close() {},
  }
}

function parsed(der: Uint8Array): Certificate[] {
  try {
    return [parseCertificate(der)]
  } catch {
    // for records only: this one has no description
    return []
  }
}
