/**
 * What flags that were added to a command line change: other files, other TLS versions, other rules. Prediction and probes read them
 * from here, the components from their command line. The last flag of a name counts, as with the originals.
 */
import type { Connection, Decided } from './connections.ts'
import type { Layout } from './layout.ts'

/** Those that dial and are no component of ours: their flags are read by probes alone. etcdctl's and curl's names. */
export const dialPrograms = ['etcdctl', 'monitoring'] as const

/** `{dir}` stands for the state directory: scenario files cannot know it. */
export const addedFlags = ({ flags, dir }: Layout, program: string): string[] =>
  (flags?.[program] ?? []).map(flag => flag.replaceAll('{dir}', dir))

/** The value of the last of them with this name; '' when it was given without one. */
export function addedFlag(layout: Layout, program: string, name: string): string | undefined {
  const last = addedFlags(layout, program).findLast(flag => flag === `--${name}` || flag.startsWith(`--${name}=`))
  return last?.slice(name.length + 3)
}

/** The file that an added flag names in place of the plan's; '' when the flag takes it away. */
export function addedFile(layout: Layout, { flag }: Decided): string | undefined {
  // `kubelet --config (tlsCertFile)` names a field of a file
  const [, program, name] = /^(\S+) --(\S+)$/.exec(flag) ?? []
  return program && name ? addedFlag(layout, program, name) : undefined
}

/** The flag of the key, by that of its certificate. */
const keyFlags: Readonly<Record<string, string>> = {
  'kube-apiserver --tls-cert-file': 'kube-apiserver --tls-private-key-file',
  'kube-apiserver --etcd-certfile': 'kube-apiserver --etcd-keyfile',
  'kube-apiserver --kubelet-client-certificate': 'kube-apiserver --kubelet-client-key',
  'kube-apiserver --proxy-client-cert-file': 'kube-apiserver --proxy-client-key-file',
  'extension-apiserver --tls-cert-file': 'extension-apiserver --tls-private-key-file',
  'etcd --cert-file': 'etcd --key-file',
  'etcd --peer-cert-file': 'etcd --peer-key-file',
  'etcdctl --cert': 'etcdctl --key',
  'monitoring --cert': 'monitoring --key',
}

export const addedKey = (layout: Layout, { name, flag }: Decided): string | undefined =>
  keyFlags[flag] && addedFile(layout, { name, flag: keyFlags[flag] })

/** An added flag leaves this end without a certificate to show. */
export const isWithheld = (layout: Layout, decided: Decided): boolean => addedFile(layout, decided) === ''

export interface TlsSettings {
  minVersion: 'TLSv1.2' | 'TLSv1.3'
  maxVersion: 'TLSv1.2' | 'TLSv1.3'
  /** Empty: Go's. */
  cipherSuites: readonly string[]
}

/** `VersionTLS13` (Kubernetes), `TLS1.3` (etcd), `1.3` (curl). */
const version = (text: string | undefined, otherwise: TlsSettings['minVersion']) =>
  text ? (/1\.?3$/.test(text) ? 'TLSv1.3' : 'TLSv1.2') : otherwise

const usual: TlsSettings = { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.3', cipherSuites: [] }

function tlsSettings(layout: Layout, program: string): TlsSettings {
  const flag = (name: string) => addedFlag(layout, program, name)
  return {
    minVersion: version(flag('tls-min-version'), usual.minVersion),
    maxVersion: version(flag('tls-max-version') ?? flag('tls-max'), usual.maxVersion),
    cipherSuites: (flag('tls-cipher-suites') ?? flag('cipher-suites') ?? '').split(',').filter(Boolean),
  }
}

/** etcd has one listener for peers and one for clients, with the same settings. */
export const serverTls = (layout: Layout, { to }: Connection): TlsSettings =>
  tlsSettings(layout, to === 'etcd-peer' ? 'etcd' : to === 'webhook' ? 'extension-apiserver' : to)

/** The components' flags are about where they listen; only those that do nothing but dial have some for it. */
export function clientTls(layout: Layout, { from, clientCertificate }: Connection): TlsSettings {
  const program = clientCertificate?.flag.split(' ')[0] ?? from
  return (dialPrograms as readonly string[]).includes(program) ? tlsSettings(layout, program) : usual
}
