/** Service-account tokens: what TokenRequest answers. pkg/serviceaccount/claims.go. */
import { createHash, createPrivateKey, createPublicKey, type KeyObject, randomUUID } from 'node:crypto'
import { badRequest, internalError, invalid, notFound } from '#kubernetes/status.ts'
import { time } from '#kubernetes/time.ts'
import type { Unstructured } from '#kubernetes/types.ts'
import { read } from '#tls/identity.ts'
import { array, at, number, text } from '../columns/values.ts'
import type { Values } from '../flags.ts'
import { resourceOf } from '../resources/table.ts'
import { keyFor } from '../verbs/keys.ts'
import type { Api, TokenIssuer } from '../verbs/types.ts'

const minSeconds = 600
const maxSeconds = 2 ** 32
/** Tokens that kubelets ask for by this are given a year, and said to be old after the time asked for. */
const injectedSeconds = 3607
const yearSeconds = 365 * 24 * 3600

/** JOSE's name of the algorithm that goes with a key, and the key id: SHA-256 of the public key. */
function algorithmOf(key: KeyObject): string {
  if (key.asymmetricKeyType === 'rsa') return 'RS256'
  const curves: Record<string, string> = { prime256v1: 'ES256', secp384r1: 'ES384', secp521r1: 'ES512' }
  const algorithm = curves[key.asymmetricKeyDetails?.namedCurve ?? '']
  if (!algorithm)
    throw new Error(
      `unknown private key type ${key.asymmetricKeyType}, must be *rsa.PrivateKey, *ecdsa.PrivateKey, or jose.OpaqueSigner`,
    )
  return algorithm
}

const keyId = (key: KeyObject) =>
  createHash('sha256')
    .update(createPublicKey(key).export({ type: 'spki', format: 'der' }))
    .digest('base64url')

export function createTokenIssuer(values: Values): TokenIssuer {
  const file = values['service-account-signing-key-file']
  const issuer = values['service-account-issuer']?.[0]
  const key = file ? createPrivateKey(read(file)) : undefined
  const audiences = values['api-audiences'] ?? values['service-account-issuer'] ?? []
  return {
    async issue(request, account, api) {
      if (!key || !issuer)
        throw internalError('token requests need --service-account-signing-key-file and --service-account-issuer')
      const asked =
        (at(request, 'spec', 'expirationSeconds') ?? undefined) === undefined
          ? 3600
          : number(request, 'spec', 'expirationSeconds')
      checkSeconds(asked)
      const bound = await boundObject(request, account, api)
      const limit = (values['service-account-max-token-expiration'] ?? 0) / 1000
      const seconds = limit > 0 ? Math.min(asked, limit) : asked
      const now = Math.floor(api.clock.now().getTime() / 1000)
      const extended =
        values['service-account-extend-token-expiration'] && seconds === injectedSeconds && bound?.pod !== undefined
      const wanted = array<string>(request, 'spec', 'audiences')
      const { name, namespace, uid } = account.metadata
      const claims = {
        aud: wanted.length > 0 ? wanted : audiences,
        exp: now + (extended ? yearSeconds : seconds),
        iat: now,
        iss: issuer,
        jti: randomUUID(),
        'kubernetes.io': {
          namespace,
          ...bound,
          serviceaccount: { name, uid },
          ...(extended ? { warnafter: now + seconds } : {}),
        },
        nbf: now,
        sub: `system:serviceaccount:${namespace}:${name}`,
      }
      const { SignJWT } = await import('jose')
      const token = await new SignJWT(claims).setProtectedHeader({ alg: algorithmOf(key), kid: keyId(key) }).sign(key)
      return {
        kind: 'TokenRequest',
        apiVersion: 'authentication.k8s.io/v1',
        metadata: { name, namespace, creationTimestamp: time(api.clock.now()) } as Unstructured['metadata'],
        spec: {
          audiences: claims.aud,
          expirationSeconds: seconds,
          boundObjectRef: at(request, 'spec', 'boundObjectRef') ?? null,
        },
        status: { token, expirationTimestamp: time(new Date((now + seconds) * 1000)) },
      }
    },
  }
}

function checkSeconds(seconds: number): void {
  const detail =
    seconds < minSeconds
      ? 'may not specify a duration less than 10 minutes'
      : seconds > maxSeconds
        ? 'may not specify a duration larger than 2^32 seconds'
        : undefined
  if (detail)
    throw invalid({ group: 'authentication.k8s.io', kind: 'TokenRequest' }, '', [
      { type: 'invalid', field: 'spec.expirationSeconds', value: seconds, detail },
    ])
}

/** The pod, secret or node whose life the token shares. */
async function boundObject(request: Unstructured, account: Unstructured, api: Api) {
  const ref = at(request, 'spec', 'boundObjectRef')
  if (!ref) return undefined
  const kind = text(ref, 'kind')
  const kinds: Record<string, string> = { Pod: 'pods', Secret: 'secrets', Node: 'nodes' }
  const resource = kinds[kind]
  if (!resource) throw badRequest(`cannot bind token for serviceaccount to a type of group-kind ${kind}`)
  const definition = resourceOf('', resource)
  const name = text(ref, 'name')
  const object = await api.store.read(keyFor(definition, account.metadata.namespace ?? '', name))
  if (!object) throw notFound(definition, name)
  const uid = text(ref, 'uid')
  if (uid && uid !== object.metadata.uid)
    throw badRequest(
      `the UID in the bound object reference (${uid}) does not match the UID in record. The object might have been deleted and then recreated`,
    )
  if (kind === 'Pod' && text(object, 'spec', 'serviceAccountName') !== account.metadata.name)
    throw badRequest(
      `cannot bind token for serviceaccount ${JSON.stringify(account.metadata.name)} to pod running with different serviceaccount name.`,
    )
  const node = text(object, 'spec', 'nodeName')
  return { [kind.toLowerCase()]: { name, uid: object.metadata.uid }, ...(node ? { node: { name: node } } : {}) } as {
    pod?: unknown
  }
}
