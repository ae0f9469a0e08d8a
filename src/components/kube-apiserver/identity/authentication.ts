/** Who is asking: the authenticators that the flags ask for, over objects in etcd. */
import { createPublicKey, type KeyObject } from 'node:crypto'
import {
  type Authenticator,
  createAuthenticator,
  staticTokens,
  type TokenAuthenticator,
  type TokenResult,
  withAuthenticated,
} from '#kubernetes/authn.ts'
import { bootstrapTokens } from '#kubernetes/bootstrap-tokens.ts'
import type { Metrics } from '#kubernetes/metrics.ts'
import { serviceAccountTokens } from '#kubernetes/service-account-tokens.ts'
import type { Pod, Secret, ServiceAccount, UserInfo } from '#kubernetes/types.ts'
import { fileBundle } from '#tls/bundle.ts'
import { read } from '#tls/identity.ts'
import type { BundleSource } from '#tls/types.ts'
import type { ComponentContext } from '../../component.ts'
import type { Values } from '../flags.ts'
import { resourceOf } from '../resources/table.ts'
import type { Store } from '../storage/store.ts'
import { keyFor } from '../verbs/keys.ts'

export interface Authentication {
  authenticator: Authenticator
  authenticateToken: (token: string) => Promise<TokenResult>
  clientCa: BundleSource | undefined
  requestHeaderCa: BundleSource | undefined
  audiences: readonly string[]
  close(): void
}

/** Every PEM block that holds a key: --service-account-key-file may have several. */
function publicKeys(files: readonly string[]): KeyObject[] {
  return files.flatMap(file => {
    const blocks =
      read(file).match(/-----BEGIN [^-]*(?:PUBLIC KEY|PRIVATE KEY|CERTIFICATE)-----[^-]+-----END [^-]+-----/g) ?? []
    if (blocks.length === 0)
      throw new Error(
        `failed to parse service-account-key-file ${file}: data does not contain any valid RSA or ECDSA public keys`,
      )
    return blocks.map(block => createPublicKey(block))
  })
}

/** token,user,uid,"group1,group2": the original's CSV. */
function tokenFile(file: string): Map<string, UserInfo> {
  const users = new Map<string, UserInfo>()
  for (const line of read(file).split('\n')) {
    const cells = [...line.matchAll(/(?:^|,)(?:"([^"]*)"|([^,]*))/g)].map(([, quoted, bare]) =>
      (quoted ?? bare ?? '').trim(),
    )
    const [token, username, uid, groups] = cells
    if (!token || !username) continue
    users.set(token, { username, ...(uid ? { uid } : {}), groups: groups ? groups.split(',').map(g => g.trim()) : [] })
  }
  return users
}

export function createAuthentication(
  values: Values,
  context: ComponentContext,
  store: Store,
  metrics: Metrics,
): Authentication {
  const { clock, voice, log } = context
  const bundle = (file: string | undefined, name: string) =>
    file ? fileBundle({ file, reader: 'kube-apiserver', reload: 'watch', log, name }) : undefined
  const clientCa = bundle(values['client-ca-file'], 'client-ca-bundle')
  const requestHeaderCa = bundle(values['requestheader-client-ca-file'], 'request-header')
  const issuers = values['service-account-issuer'] ?? []
  const audiences = values['api-audiences'] ?? issuers
  const lookup = <T>(resource: string) => {
    const definition = resourceOf('', resource)
    return async (namespace: string, name: string) =>
      (await store.read(keyFor(definition, namespace, name))) as T | undefined
  }
  const secret = lookup<Secret>('secrets')
  const tokens: TokenAuthenticator[] = []
  if (values['token-auth-file']) tokens.push(staticTokens(tokenFile(values['token-auth-file'])))
  const keyFiles = values['service-account-key-file'] ?? []
  if (keyFiles.length > 0) {
    const keys = publicKeys(keyFiles)
    tokens.push(
      serviceAccountTokens({
        keys: () => keys,
        issuers,
        audiences,
        clock,
        ...(values['service-account-lookup']
          ? { lookup: { serviceAccount: lookup<ServiceAccount>('serviceaccounts'), pod: lookup<Pod>('pods'), secret } }
          : {}),
      }),
    )
  }
  if (values['enable-bootstrap-token-auth'])
    tokens.push(bootstrapTokens({ secret: name => secret('kube-system', name), clock }))
  const authenticator = createAuthenticator({
    clock,
    voice,
    anonymous: values['anonymous-auth'],
    tokens,
    ...(clientCa ? { clientCa } : {}),
    ...(requestHeaderCa
      ? {
          requestHeader: {
            ca: requestHeaderCa,
            allowedNames: values['requestheader-allowed-names'] ?? [],
            usernameHeaders: values['requestheader-username-headers'] ?? [],
            uidHeaders: values['requestheader-uid-headers'] ?? [],
            groupHeaders: values['requestheader-group-headers'] ?? [],
            extraHeadersPrefix: values['requestheader-extra-headers-prefix'] ?? [],
          },
        }
      : {}),
    onCertificate: seconds => metrics.observe('apiserver_client_certificate_expiration_seconds', seconds),
  })
  return {
    authenticator,
    authenticateToken: async token => {
      for (const authenticate of tokens) {
        const result = await authenticate(token)
        if (result) return 'user' in result ? { user: withAuthenticated(result.user) } : result
      }
      return undefined
    },
    clientCa,
    requestHeaderCa,
    audiences,
    close() {
      clientCa?.close()
      requestHeaderCa?.close()
    },
  }
}
