/**
 * `--use-service-account-credentials`: each controller speaks as `system:serviceaccount:kube-system:<controller>`, with a token of
 * kube-apiserver's and no client certificate (controller-manager's DynamicControllerClientBuilder). Without it all speak as the component.
 */
import { after } from '#clock.ts'
import type { Client } from '#kubernetes/client.ts'
import { bundleOf, createClient } from '#kubernetes/from-kubeconfig.ts'
import type { Kubeconfig } from '#kubernetes/kubeconfig.ts'
import { resources } from '#kubernetes/resources.ts'
import { isAlreadyExists } from '#kubernetes/status.ts'
import type { TokenRequest } from '#kubernetes/types.ts'
import { createDialer } from '#tls/dial.ts'
import type { ComponentContext } from '../component.ts'

export interface ControllerClients {
  /** @throws StatusError when the token is refused */
  clientFor(controller: string): Promise<Client>
  close(): Promise<void>
}

const namespace = 'kube-system'
const lifeSeconds = 3600

export function createControllerClients(options: {
  /** The component's own. */
  client: Client
  kubeconfig: Kubeconfig
  context: ComponentContext
  useServiceAccounts: boolean
}): ControllerClients {
  const { client, kubeconfig, context, useServiceAccounts } = options
  if (!useServiceAccounts) return { clientFor: async () => client, close: async () => {} }
  const roots = bundleOf(kubeconfig, context.log)
  // One dialer for all: what differs between controllers is the token, not the connection.
  const dialer = createDialer({
    ...context,
    component: 'kube-controller-manager',
    // not the row of the connection table, which is about the certificate
    from: 'controllers',
    to: 'kube-apiserver',
    roots,
    ...(kubeconfig.tlsServerName ? { servername: kubeconfig.tlsServerName } : {}),
    ...(kubeconfig.insecureSkipTlsVerify ? { insecureSkipVerify: true } : {}),
  })
  const timers = new Map<string, () => void>()
  const clients = new Map<string, Promise<Client>>()
  let isClosed = false

  async function tokenFor(name: string): Promise<string> {
    try {
      await client.create(resources.serviceaccounts, { metadata: { name, namespace } })
    } catch (error) {
      if (!isAlreadyExists(error)) throw error
    }
    const request: TokenRequest = { metadata: {}, spec: { expirationSeconds: lifeSeconds } }
    const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', ...request }
    const answer = (await client.createSubresource(
      resources.serviceaccounts,
      { namespace, name },
      'token',
      body,
    )) as TokenRequest
    return answer.status!.token
  }

  async function make(name: string): Promise<Client> {
    let token = await tokenFor(name)
    // as client-go's token source: well before it runs out
    const renew = async () => {
      try {
        token = await tokenFor(name)
      } catch (error) {
        if (!isClosed) context.log.error('Unable to rotate token', error, { serviceAccount: name })
      }
      if (!isClosed) timers.set(name, after(context.clock, lifeSeconds * 800, renew))
    }
    if (!isClosed) timers.set(name, after(context.clock, lifeSeconds * 800, renew))
    return createClient({
      ...context,
      component: 'kube-controller-manager',
      from: 'controllers',
      to: 'kube-apiserver',
      dialer,
      server: kubeconfig.server,
      token: () => token,
    })
  }

  return {
    clientFor(controller) {
      let made = clients.get(controller)
      if (!made) {
        made = make(controller)
        clients.set(controller, made)
        made.catch(() => clients.delete(controller))
      }
      return made
    },
    async close() {
      isClosed = true
      for (const cancel of timers.values()) cancel()
      await Promise.allSettled([...clients.values()].map(async made => (await made).close()))
      roots.close()
      await dialer.close()
    },
  }
}
