/** Who has to do what after certificates were renewed: by the connection table (who shows which) and the reload table (who reads it when). */
import { connections } from './connections.ts'
import { policies, reloadTable } from './reload.ts'

export interface AfterRenewal {
  /** Components that go on with what they have until they are started again. */
  restart: { component: string; names: string[] }[]
  /** Components that take the new ones by themselves. */
  byItself: { component: string; names: string[]; when: string }[]
}

/** @param names of certificates and kubeconfigs, as in a plan */
export function afterRenewal(names: readonly string[]): AfterRenewal {
  const restart = new Map<string, Set<string>>()
  const byItself = new Map<string, { names: Set<string>; when: string }>()
  for (const name of names) {
    // a further member of etcd has its own, and reads it as the first does
    const known = name.replace(/^(etcd-(?:server|peer))-.+$/, '$1')
    const shown = connections.flatMap(({ clientCertificate, serverCertificate }) =>
      [clientCertificate, serverCertificate].filter(decided => decided?.name === known),
    )
    for (const flag of new Set(shown.map(decided => decided!.flag))) {
      const row = reloadTable.find(({ component, flag: its }) => flag === `${component} ${its}`)
      if (!row) continue
      const { outlook, when } = policies[row.policy]
      if (outlook === 'restart') restart.set(row.component, (restart.get(row.component) ?? new Set()).add(name))
      else {
        const known = byItself.get(row.component) ?? { names: new Set<string>(), when }
        known.names.add(name)
        byItself.set(row.component, known)
      }
    }
  }
  return {
    restart: [...restart].map(([component, all]) => ({ component, names: [...all] })),
    byItself: [...byItself].map(([component, { names: all, when }]) => ({ component, names: [...all], when })),
  }
}
