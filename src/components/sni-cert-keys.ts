/** `--tls-sni-cert-key CRT,KEY[:name,…]`, of kube-apiserver, scheduler and controller-manager (component-base's NamedCertKey). */
import { messageOf, TrustplaneError } from '#errors.ts'
import type { Log } from '#log.ts'
import { fileIdentity } from '#tls/identity.ts'
import type { NamedIdentity } from '#tls/types.ts'

/** Each pair is watched, as its original does. @throws TrustplaneError in the original's words */
export function sniIdentities(component: string, flags: readonly string[] = [], log: Log): NamedIdentity[] {
  return flags.map(text => {
    const { certFile, keyFile, names } = parse(component, text)
    try {
      const identity = fileIdentity({ certFile, keyFile, reload: 'watch', log, name: 'sni-serving-cert' })
      return { names, identity }
    } catch (error) {
      throw new TrustplaneError('TP_PEM_INVALID', `failed to load SNI cert and key: ${messageOf(error)}`, {
        fix: `put a certificate and the key that belongs to it into the files of --tls-sni-cert-key=${text}`,
        cause: error,
      })
    }
  })
}

function parse(component: string, text: string): { certFile: string; keyFile: string; names: string[] } {
  const invalid = (why: string) =>
    new TrustplaneError(
      'TP_FLAG_INVALID',
      `${component}: invalid argument ${JSON.stringify(text)} for "--tls-sni-cert-key" flag: ${why}`,
      { fix: 'CRT,KEY for the names in the certificate, or CRT,KEY:name,*.name for these' },
    )
  const at = text.indexOf(':')
  const files = (at < 0 ? text : text.slice(0, at)).trim().split(',')
  const given = at < 0 ? undefined : text.slice(at + 1).trim()
  if (given === '') throw invalid('empty names list is not allowed')
  const [certFile = '', keyFile = ''] = files.map(file => file.trim())
  if (files.length !== 2) throw invalid('expected comma separated certificate and key file paths')
  return { certFile, keyFile, names: given?.split(',').map(name => name.trim()) ?? [] }
}
