/**
 * The one way in which a Go server fails over its own session ticket: Go 1.21 and newer put the client's whole chain into it, and what they
 * verified once more, and a ticket has two bytes for its length (RFC 8446 §4.6.1). We send no tickets, but a client that is refused there is refused here.
 * Source: crypto/tls SessionState.Bytes, sendSessionTicket and Config.EncryptTicket of Go 1.24; measured to the byte (oracle: chain-long-99).
 */
import type { Certificate, Verdict, Voice } from '#x509/types.ts'
import type { ClientHello } from './client-hello.ts'

export interface TicketState {
  voice: Voice
  certificates: readonly Certificate[]
  /** Left out: the server only asked for a certificate, and verified nothing. */
  verdict?: Verdict | undefined
  tlsVersion: string
  /** `TLS_AES_128_GCM_SHA256`. */
  cipher: string
  hello(): ClientHello | undefined
}

/** psk_dhe_ke, without which Go sends no ticket. Go's own clients offer it only with a session cache, which nothing of Kubernetes has. */
const pskDheKe = 1
const largest = 0xffff
/** Initialization vector and MAC of the encrypted ticket. */
const sealBytes = 16 + 32
/** version, kind, suite, time, length of the secret, extra, extended master secret, early data. */
const fixedBytes = 2 + 1 + 2 + 8 + 1 + 3 + 1 + 1

/** Go's words, when the ticket would be too long; the connection is closed without an alert. */
export function ticketOverflow(state: TicketState): string | undefined {
  const { voice, certificates, tlsVersion } = state
  const sent = sizeOf(certificates)
  // what was verified is at most as long as what was sent and a few roots: nearly every chain is done here
  if (voice === 'go1.19' || tlsVersion !== 'TLSv1.3' || sent < 16_384) return undefined
  if (!state.hello()?.pskModes.includes(pskDheKe)) return undefined
  const verified = state.verdict?.verdict === 'accept' ? state.verdict.chains : []
  const length =
    fixedBytes +
    (state.cipher.endsWith('SHA384') ? 48 : 32) +
    // each with the length of its extensions
    (3 + sent + 2 * certificates.length) +
    // without the leaf
    (3 + verified.reduce((sum, chain) => sum + 3 + sizeOf(chain.slice(1)), 0)) +
    sealBytes
  return length > largest ? `cryptobyte: pending child length ${length} exceeds 2-byte length prefix` : undefined
}

/** With three bytes of length each. */
const sizeOf = (certificates: readonly Certificate[]) => certificates.reduce((sum, { der }) => sum + 3 + der.length, 0)
