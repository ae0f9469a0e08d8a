/** What a kubelet was told, from its flags and the KubeletConfiguration that --config names; the defaults are v1beta1's. */
import { readFileSync } from 'node:fs'
import { parseDocument } from 'yaml'
import { parseDuration } from '#clock.ts'
import { messageOf, TrustplaneError } from '#errors.ts'
import { nodeName } from '#log.ts'
import type { Values } from './flags.ts'

export interface Settings {
  nodeName: string
  nodeIp: string
  address: string
  port: number
  healthz: { host: string; port: number } | undefined
  kubeconfig: string | undefined
  bootstrapKubeconfig: string | undefined
  certDir: string
  clientCaFile: string | undefined
  tlsCertFile: string | undefined
  tlsPrivateKeyFile: string | undefined
  tlsMinVersion: string | undefined
  tlsCipherSuites: string[] | undefined
  serverTlsBootstrap: boolean
  rotateCertificates: boolean
  anonymous: boolean
  webhookAuthentication: boolean
  authorizationMode: 'AlwaysAllow' | 'Webhook'
  cacheMs: { token: number; authorized: number; unauthorized: number }
  registerNode: boolean
  schedulable: boolean
  maxPods: number
  podCidr: string | undefined
  labels: Record<string, string>
  statusUpdateMs: number
  statusReportMs: number
  leaseSeconds: number
}

type Fields = { [name: string]: unknown }

/** @throws TrustplaneError for a file that cannot be read or is not a KubeletConfiguration, and for values that mean nothing */
export function configure(flags: Values): Settings {
  const file = flags.config
  const config = file === undefined ? undefined : readConfiguration(file)
  const at = (path: string): unknown =>
    path.split('.').reduce<unknown>((value, key) => (value as Fields | undefined)?.[key], config)
  const invalid = (message: string, fix: string) =>
    new TrustplaneError('TP_INPUT_INVALID', `kubelet: ${message}`, { fix, ...(file ? { at: { file } } : {}) })
  const read = <T>(path: string, type: string, otherwise: T): T => {
    const value = at(path)
    if (value === undefined || value === null) return otherwise
    if (typeof value !== type)
      throw invalid(`${path} is ${JSON.stringify(value)}`, `it is a ${type} in KubeletConfiguration`)
    return value as T
  }
  const text = (flag: string | undefined, path: string) =>
    flag ?? (read<string | undefined>(path, 'string', undefined) || undefined)
  const ms = (flag: number | undefined, path: string, otherwise: number) => {
    if (flag !== undefined) return flag
    const written = read<string | undefined>(path, 'string', undefined)
    return written === undefined ? otherwise : parseDuration(written)
  }
  // without --config the flags' own, older defaults hold (options.applyLegacyDefaults)
  const legacy = config === undefined
  const mode = text(flags['authorization-mode'], 'authorization.mode') ?? (legacy ? 'AlwaysAllow' : 'Webhook')
  if (mode !== 'AlwaysAllow' && mode !== 'Webhook')
    throw invalid(`unknown authorization mode ${mode}`, 'it is AlwaysAllow or Webhook')
  const name = (flags['hostname-override'] ?? nodeName()).trim().toLowerCase()
  if (name === '') throw invalid('empty hostname is invalid', 'give --hostname-override a name')
  const address = text(flags.address, 'address') ?? '127.0.0.1'
  const healthzPort = flags['healthz-port'] ?? read('healthzPort', 'number', 10248)
  const healthzHost = text(flags['healthz-bind-address'], 'healthzBindAddress') ?? '127.0.0.1'
  return {
    nodeName: name,
    nodeIp: flags['node-ip'] ?? (address === '0.0.0.0' || address === '::' ? '127.0.0.1' : address),
    address,
    port: flags.port ?? read('port', 'number', 10250),
    healthz: healthzPort > 0 ? { host: healthzHost, port: healthzPort } : undefined,
    kubeconfig: flags.kubeconfig || undefined,
    bootstrapKubeconfig: flags['bootstrap-kubeconfig'] || undefined,
    certDir: flags['cert-dir'],
    clientCaFile: text(flags['client-ca-file'], 'authentication.x509.clientCAFile'),
    tlsCertFile: text(flags['tls-cert-file'], 'tlsCertFile'),
    tlsPrivateKeyFile: text(flags['tls-private-key-file'], 'tlsPrivateKeyFile'),
    tlsMinVersion: text(flags['tls-min-version'], 'tlsMinVersion'),
    tlsCipherSuites: flags['tls-cipher-suites'] ?? read<string[] | undefined>('tlsCipherSuites', 'object', undefined),
    serverTlsBootstrap: flags['rotate-server-certificates'] ?? read('serverTLSBootstrap', 'boolean', false),
    rotateCertificates: flags['rotate-certificates'] ?? read('rotateCertificates', 'boolean', false),
    anonymous: flags['anonymous-auth'] ?? read('authentication.anonymous.enabled', 'boolean', legacy),
    webhookAuthentication:
      flags['authentication-token-webhook'] ?? read('authentication.webhook.enabled', 'boolean', !legacy),
    authorizationMode: mode,
    cacheMs: {
      token: ms(flags['authentication-token-webhook-cache-ttl'], 'authentication.webhook.cacheTTL', 120_000),
      authorized: ms(
        flags['authorization-webhook-cache-authorized-ttl'],
        'authorization.webhook.cacheAuthorizedTTL',
        300_000,
      ),
      unauthorized: ms(
        flags['authorization-webhook-cache-unauthorized-ttl'],
        'authorization.webhook.cacheUnauthorizedTTL',
        30_000,
      ),
    },
    registerNode: flags['register-node'] ?? read('registerNode', 'boolean', true),
    schedulable: flags['register-schedulable'] ?? true,
    maxPods: flags['max-pods'] ?? read('maxPods', 'number', 110),
    podCidr: text(flags['pod-cidr'], 'podCIDR'),
    labels: labelsOf(flags['node-labels'] ?? [], invalid),
    statusUpdateMs: ms(flags['node-status-update-frequency'], 'nodeStatusUpdateFrequency', 10_000),
    statusReportMs: ms(undefined, 'nodeStatusReportFrequency', 300_000),
    leaseSeconds: read('nodeLeaseDurationSeconds', 'number', 40),
  }
}

function labelsOf(pairs: readonly string[], invalid: (message: string, fix: string) => Error): Record<string, string> {
  return Object.fromEntries(
    pairs.map(pair => {
      const at = pair.indexOf('=')
      if (at < 1) throw invalid(`malformed pair, expect string=string: ${pair}`, 'write --node-labels=key=value,…')
      return [pair.slice(0, at), pair.slice(at + 1)]
    }),
  )
}

function readConfiguration(file: string): Fields {
  const fail = (code: 'TP_FILE_UNREADABLE' | 'TP_INPUT_INVALID', why: string, line?: number, cause?: unknown) =>
    new TrustplaneError(code, `failed to load kubelet config file, path: ${file}, error: ${why}`, {
      fix: '--config names a file that starts with `apiVersion: kubelet.config.k8s.io/v1beta1` and `kind: KubeletConfiguration`',
      at: { file, ...(line === undefined ? {} : { line }) },
      cause,
    })
  let content: string
  try {
    content = readFileSync(file, 'utf8')
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT'
    const why = missing ? `open ${file}: no such file or directory` : messageOf(cause)
    throw fail('TP_FILE_UNREADABLE', `failed to read kubelet config file "${file}", error: ${why}`, undefined, cause)
  }
  const document = parseDocument(content)
  const [problem] = document.errors
  const line = problem?.linePos?.[0].line
  if (problem) throw fail('TP_INPUT_INVALID', `yaml: line ${line}: ${problem.message.split('\n')[0]}`, line, problem)
  const value = document.toJS() as Fields | null
  if (value === null || typeof value !== 'object' || value.kind !== 'KubeletConfiguration')
    throw fail('TP_INPUT_INVALID', `couldn't decode as KubeletConfiguration, got ${String(value?.kind ?? 'nothing')}`)
  return value
}
