/** `${nodeName}` and the like in a plan: the one place where they are expanded. */
import { nearest } from '#errors.ts'
import type { ClusterParameters, PlanNode } from './types.ts'

/** Filled in when the certificate is issued: the seconds since 1970, as client-go puts them into self-signed names. */
const late = 'unixTime'

export interface Variables {
  text: Readonly<Record<string, string>>
  lists: Readonly<Record<string, readonly string[]>>
}

export function variablesOf(cluster: ClusterParameters, node: PlanNode): Variables {
  return {
    text: {
      nodeName: cluster.nodeName,
      clusterName: cluster.clusterName,
      advertiseAddress: cluster.advertiseAddress,
      server: cluster.server,
      serverHost: hostOf(cluster.server),
      serviceIP: cluster.serviceIP,
      dnsDomain: cluster.dnsDomain,
      node: node.name,
      nodeAddress: node.address,
    },
    lists: {
      apiServerCertSANs: cluster.apiServerCertSANs,
      etcdServerCertSANs: cluster.etcdServerCertSANs,
      etcdPeerCertSANs: cluster.etcdPeerCertSANs,
      componentCertSANs: cluster.componentCertSANs,
    },
  }
}

/** The host of a URL, an IPv6 address without its brackets; '' for what is no URL. */
function hostOf(server: string): string {
  return URL.parse(server)?.hostname.replace(/^\[(.*)\]$/, '$1') ?? ''
}

export function expandText(text: string, variables: Variables, unknown: (message: string) => void): string {
  return text.replaceAll(/\$\{(\w*)\}/g, (whole, name: string) => {
    if (name === late) return whole
    const value = variables.text[name]
    if (value !== undefined) return value
    const near = nearest(name, [...Object.keys(variables.text), late])
    unknown(
      variables.lists[name]
        ? `\${${name}} is a list: it stands alone, as an item of certSANs`
        : `unknown variable \${${name}}${near ? `, did you mean \${${near}}?` : ''}`,
    )
    return whole
  })
}

/** An item that is nothing but a list's variable becomes that list. */
export function expandList(
  items: readonly string[],
  variables: Variables,
  unknown: (message: string) => void,
): string[] {
  return items.flatMap(item => {
    const list = variables.lists[/^\$\{(\w+)\}$/.exec(item)?.[1] ?? '']
    return list ?? expandText(item, variables, unknown)
  })
}

export const fillUnixTime = (text: string, now: Date) =>
  text.replaceAll(`\${${late}}`, String(Math.floor(now.getTime() / 1000)))
