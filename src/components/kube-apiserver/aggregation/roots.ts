/** What is trusted when nobody says: this system's public authorities, as Node ships them. */
import { rootCertificates } from 'node:tls'

let all: string | undefined

export function systemRoots(): string {
  all ??= rootCertificates.join('\n')
  return all
}
