/** Bindings that neither the apiserver nor kubeadm makes: a component that was let through by RBAC instead of by its right certificate. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '#clock.ts'
import { createClient } from '#kubernetes/from-kubeconfig.ts'
import { silentLog } from '#log.ts'

interface Binding {
  metadata: { name: string; labels?: Record<string, string> }
  roleRef: { name: string }
  subjects?: { kind: string; name: string }[]
}

const administrators = ['system:masters', 'kubeadm:cluster-admins']
/** What `kubeadm init` and trustplane's own bootstrap name theirs. */
const ours = /^(kubeadm|trustplane):/

/** Nothing when the apiserver does not answer its super-admin: then something else is not mended yet. */
export async function addedBindings(dir: string): Promise<string[]> {
  const kubeconfig = ['super-admin.conf', 'admin.conf'].map(name => join(dir, name)).find(existsSync)
  if (!kubeconfig) return []
  const client = createClient({
    kubeconfig,
    component: 'drill',
    from: 'drill',
    to: 'kube-apiserver',
    clock: systemClock,
    voice: 'go1.24',
    log: silentLog,
    // no row of the connection table
    records: { write() {}, close: async () => {} },
  })
  try {
    const answer = await client.raw({
      path: '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings',
      signal: AbortSignal.timeout(5000),
    })
    const { items = [] } = JSON.parse(await answer.text()) as { items?: Binding[] }
    return items.filter(isAdded).map(describe)
  } catch {
    return []
  } finally {
    await client.close()
  }
}

function isAdded({ metadata: { name, labels = {} }, roleRef, subjects = [] }: Binding): boolean {
  const people = subjects.filter(({ kind }) => kind === 'User' || kind === 'Group')
  if (roleRef.name === 'cluster-admin' && people.some(subject => !administrators.includes(subject.name))) return true
  return people.length > 0 && labels['kubernetes.io/bootstrapping'] === undefined && !ours.test(name)
}

const describe = ({ metadata, roleRef, subjects = [] }: Binding) =>
  `the ClusterRoleBinding ${metadata.name} gives ${subjects.map(({ name }) => name).join(', ')} the role ${roleRef.name}`
