/** What mends a refused connection, as commands: by the reason, and by which certificate it was about. */
import type { End } from '#tls/types.ts'
import type { Reason } from '#x509/reasons.ts'
import type { Connection, Decided } from './connections.ts'
import { isKubeconfig, type Layout } from './layout.ts'
import type { ConnectionStatus } from './status.ts'

/** How a certificate that is wrong in this way is made right. */
type Remedy =
  /** A new one with the same names and usages: `kubeadm certs renew`. */
  | 'renew'
  /** A new one as the plan says, since the old one's names, usages or issuer are what is wrong. */
  | 'reissue'
  | 'bundle'
  | 'settings'
  | 'reach'

const remedies: Record<Reason, Remedy> = {
  'unknown-authority': 'reissue',
  expired: 'renew',
  'not-yet-valid': 'renew',
  'name-mismatch': 'reissue',
  'no-san': 'reissue',
  'wrong-usage': 'reissue',
  'not-a-ca': 'bundle',
  'path-length': 'bundle',
  'name-constraint': 'bundle',
  'weak-signature': 'reissue',
  'weak-key': 'reissue',
  'unhandled-extension': 'reissue',
  malformed: 'reissue',
  revoked: 'renew',
  'no-certificate': 'reissue',
  'key-mismatch': 'reissue',
  'protocol-version': 'settings',
  'cipher-mismatch': 'settings',
  unauthorized: 'reissue',
  forbidden: 'reissue',
  unreachable: 'reach',
}

export interface FixContext {
  layout: Layout | undefined
  dir: string
  /** The mesh's clock: what is issued must be valid by it. */
  clockOffsetMs?: number
}

/** Commands and, where no command can know it, a sentence that begins with `#`. */
export function fixesOf(row: Connection, status: ConnectionStatus, context: FixContext): string[] {
  const { layout, clockOffsetMs = 0 } = context
  const offset = clockOffsetMs === 0 ? '' : ` --clock-offset ${Math.round(clockOffsetMs / 1000)}s`
  const dir = `${context.dir}${offset}`
  if (row.port === 'kubelet' && layout?.bootstrap && status.server?.message?.includes(unserving)) return approval
  const reason = status.reason ?? 'unreachable'
  const refusedBy = status.refusedBy ?? 'client'
  const culprit = refusedBy === 'client' ? row.serverCertificate : row.clientCertificate
  const owner = refusedBy === 'client' ? row.to : row.from
  const trust = refusedBy === 'client' ? row.clientTrust : row.serverTrust
  switch (remedies[reason]) {
    case 'renew':
      if (isIssuer(status, refusedBy)) {
        return ['# the certificate itself is within its dates, an authority above it is not: a CA needs a rotation']
      }
      return culprit ? [`trustplane pki renew ${culprit.name} --dir ${dir}`, ...restartHint(owner)] : []
    case 'reissue':
      return [
        ...(reason === 'unknown-authority' && trust ? [bundleHint(refusedBy, row, status, trust)] : []),
        ...(culprit ? reissue(culprit, layout, context.dir, offset, owner) : []),
      ]
    case 'bundle':
      return [
        `# the authority itself is wrong: make it anew and issue what it signed again`,
        `trustplane pki init --force --dir ${dir}`,
      ]
    case 'settings':
      return [`# let both ends have a version and a suite in common: --tls-min-version, --tls-cipher-suites`]
    case 'reach':
      return [row.to, row.from].map(name => `trustplane logs ${name} --tail 20 --dir ${context.dir}`)
  }
}

const unserving = 'no serving certificate available for the kubelet'
const approval = [
  '# the kubelet waits for somebody to approve its request, who knows that the names in it are its own',
  'kubectl get csr --field-selector spec.signerName=kubernetes.io/kubelet-serving',
  'kubectl describe csr NAME',
  'kubectl certificate approve NAME',
]

function reissue(culprit: Decided, layout: Layout | undefined, dir: string, offset: string, owner: string): string[] {
  const files = layout ? filesOf(layout, culprit).map(file => `${dir}/${file}`) : [`${dir}/…`]
  return [`rm ${files.join(' ')}`, `trustplane pki init --dir ${dir}${offset}`, ...restartHint(owner)]
}

/** Go names the date of whichever certificate of the chain is past it; the leaf that was shown may be well. */
function isIssuer(status: ConnectionStatus, refusedBy: End): boolean {
  const leaf = (refusedBy === 'client' ? status.client : status.server)?.peer?.[0]
  const now = status.time ?? ''
  const isWithin = leaf !== undefined && leaf.notBefore <= now && now <= leaf.notAfter
  return isWithin && (status.reason === 'expired' || status.reason === 'not-yet-valid')
}

function filesOf(layout: Layout, { name, flag }: Decided): string[] {
  if (isKubeconfig({ name, flag })) return layout.plan.kubeconfigs.filter(row => row.name === name).map(row => row.file)
  return layout.plan.certificates.filter(row => row.name === name).flatMap(row => [row.certificateFile, row.keyFile])
}

/** Those whose original reads its files only at start (reference: kubernetes-pki §3.2). */
const readsAtStart = new Set(['kube-scheduler', 'kube-controller-manager', 'kube-proxy'])

const restartHint = (owner: string): string[] =>
  readsAtStart.has(owner) ? [`# then restart ${owner}: it reads its kubeconfig only at start`] : []

function bundleHint(refusedBy: End, row: Connection, status: ConnectionStatus, trust: Decided): string {
  const presented = refusedBy === 'client' ? status.client?.peer?.[0] : status.server?.peer?.[0]
  const bundle = refusedBy === 'client' ? status.client?.bundle : status.server?.bundle
  const issuer = presented ? `issued by ${presented.issuer}` : 'of an unknown issuer'
  const end = refusedBy === 'client' ? row.from : row.to
  return `# the certificate is ${issuer}; ${end} trusts ${bundle ?? 'its bundle'} (${trust.flag}). Either is wrong; if it is the certificate:`
}
