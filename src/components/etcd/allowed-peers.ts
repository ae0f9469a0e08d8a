/** --peer-cert-allowed-cn and the --*-cert-allowed-hostname flags: of the clients whose certificate verifies, only these. Source: pkg/transport/listener.go, baseConfig. */
import type { ListenOptions } from '#tls/types.ts'
import { verifyHostname } from '#x509/hostname.ts'
import type { Voice } from '#x509/types.ts'

export function allowedPeers(
  voice: Voice,
  commonNames: readonly string[] | undefined,
  hostnames: string | readonly string[] | undefined,
): { verifyPeer?: NonNullable<ListenOptions['verifyPeer']> } {
  const names = [hostnames ?? []].flat().filter(name => name !== '')
  if (!commonNames?.length && names.length === 0) return {}
  return {
    verifyPeer: leaf =>
      commonNames?.includes(leaf.subject.commonName) || names.some(name => !verifyHostname(leaf, name, voice))
        ? undefined
        : 'client certificate authentication failed',
  }
}
