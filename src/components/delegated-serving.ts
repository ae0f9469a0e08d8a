/**
 * What serves in the scheduler, the controller-manager and aggregated API servers: client certificates and the front proxy judged here,
 * tokens and permissions asked of kube-apiserver (DelegatingAuthenticationOptions, DelegatingAuthorizationOptions).
 */
import { type AuthenticatorOptions, createAuthenticator, type RequestHeaderOptions } from '#kubernetes/authn.ts'
import { type Authorizer, pathAuthorizer, privilegedGroups, unionAuthorizer } from '#kubernetes/authz.ts'
import type { Client } from '#kubernetes/client.ts'
import { subjectAccessReviews, tokenReviews } from '#kubernetes/delegated.ts'
import { createClient } from '#kubernetes/from-kubeconfig.ts'
import type { HealthCheck } from '#kubernetes/health.ts'
import { loadKubeconfig } from '#kubernetes/kubeconfig.ts'
import type { Metrics } from '#kubernetes/metrics.ts'
import { createSecureServer, type SecureServer } from '#kubernetes/serving.ts'
import { fileBundle } from '#tls/bundle.ts'
import type { BundleSource } from '#tls/types.ts'
import { clusterAuthentication } from './cluster-authentication.ts'
import type { ComponentContext, ComponentName } from './component.ts'
import type { FlagValues } from './flags.ts'
import type { delegationFlags, servingFlags } from './kubernetes-flags.ts'
import { servingIdentity } from './serving-identity.ts'
import { sniIdentities } from './sni-cert-keys.ts'
import { tlsOptions } from './tls-options.ts'

type Values = FlagValues<typeof servingFlags> &
  FlagValues<typeof delegationFlags> & { 'secure-port': number; 'require-client-certificate': boolean }

export interface DelegatedServerOptions {
  component: ComponentName
  values: Values
  context: ComponentContext
  metrics: Metrics
  checks?: readonly HealthCheck[]
  /** Asked before kube-apiserver is. */
  authorizers?: readonly Authorizer[]
  /** Wraps the authenticator: for a component that must know how somebody came. */
  authenticator?: (options: AuthenticatorOptions) => ReturnType<typeof createAuthenticator>
  alwaysAllowPaths?: readonly string[]
  pairName?: string
}

export interface DelegatedServer {
  server: SecureServer
  close(): Promise<void>
}

/** Not listening yet. */
export async function createDelegatedServer(options: DelegatedServerOptions): Promise<DelegatedServer> {
  const { component, values, context, metrics } = options
  const { log, clock, voice } = context
  const closers: (() => Promise<void> | void)[] = []
  const bundle = (file: string | undefined, name: string): BundleSource | undefined => {
    if (!file) return undefined
    const source = fileBundle({ file, reader: 'kube-apiserver', reload: 'watch', log, name })
    closers.push(() => source.close())
    return source
  }
  const clients = new Map<string, Client>()
  const client = (file: string): Client => {
    let made = clients.get(file)
    if (!made) {
      const shared = { ...context, component, from: component, to: 'kube-apiserver', metrics }
      made = createClient({ ...shared, kubeconfig: loadKubeconfig(file) })
      clients.set(file, made)
      closers.push(() => made?.close())
    }
    return made
  }

  const { 'authentication-kubeconfig': authenticationFile, 'authorization-kubeconfig': authorizationFile } = values
  const given = bundle(values['client-ca-file'], 'client-ca-bundle')
  const givenProxy = requestHeaderOf(values, bundle(values['requestheader-client-ca-file'], 'request-header'))
  const isComplete = given && givenProxy
  const cluster =
    authenticationFile && !isComplete && !values['authentication-skip-lookup']
      ? clusterAuthentication(client(authenticationFile), log)
      : undefined
  if (cluster) closers.unshift(() => cluster.stop())
  const clientCa = given ?? cluster?.clientCa
  const requestHeader = givenProxy ?? cluster?.requestHeader
  const authenticator = (options.authenticator ?? createAuthenticator)({
    clock,
    voice,
    anonymous: true,
    ...(clientCa ? { clientCa } : {}),
    ...(requestHeader ? { requestHeader } : {}),
    ...(authenticationFile
      ? {
          tokens: [
            tokenReviews({
              client: client(authenticationFile),
              cacheMs: values['authentication-token-webhook-cache-ttl'],
            }),
          ],
        }
      : {}),
    onCertificate: seconds => metrics.observe('apiserver_client_certificate_expiration_seconds', seconds),
  })
  const alwaysAllowPaths = [...values['authorization-always-allow-paths'], ...(options.alwaysAllowPaths ?? [])]
  const authorizers: Authorizer[] = [
    privilegedGroups(),
    pathAuthorizer(alwaysAllowPaths),
    ...(options.authorizers ?? []),
  ]
  if (authorizationFile) {
    authorizers.push(
      subjectAccessReviews({
        client: client(authorizationFile),
        allowedCacheMs: values['authorization-webhook-cache-authorized-ttl'],
        deniedCacheMs: values['authorization-webhook-cache-unauthorized-ttl'],
      }),
    )
  }
  const identity = await servingIdentity({
    component,
    certFile: values['tls-cert-file'],
    keyFile: values['tls-private-key-file'],
    certDir: values['cert-dir'],
    pairName: options.pairName ?? component,
    host: 'localhost',
    ipAddresses: ['127.0.0.1'],
    clock,
    log,
  })
  const sni = sniIdentities(component, values['tls-sni-cert-key'], log)
  closers.push(() => identity.close(), ...sni.map(pair => () => pair.identity.close()))
  const server = await createSecureServer({
    component,
    context,
    host: values['bind-address'],
    port: values['secure-port'],
    identity,
    authenticator,
    authorizer: unionAuthorizer(authorizers),
    alwaysAllowPaths,
    metrics,
    ...(options.checks ? { checks: options.checks } : {}),
    ...(clientCa ? { clientCa } : {}),
    ...(requestHeader ? { otherClientCas: [requestHeader.ca] } : {}),
    sni,
    ...tlsOptions(component, values),
  })
  cluster?.start()
  return {
    server,
    async close() {
      await server.close()
      for (const close of closers) await close()
    },
  }
}

function requestHeaderOf(values: Values, ca: BundleSource | undefined): RequestHeaderOptions | undefined {
  if (!ca) return undefined
  return {
    ca,
    allowedNames: values['requestheader-allowed-names'],
    usernameHeaders: values['requestheader-username-headers'],
    uidHeaders: values['requestheader-uid-headers'],
    groupHeaders: values['requestheader-group-headers'],
    extraHeadersPrefix: values['requestheader-extra-headers-prefix'],
  }
}
