/** From a plan as written to a plan as used: variables expanded, defaults filled in, every reference checked. */
import { isIP } from 'node:net'
import { posix } from 'node:path'
import { parseDuration } from '#clock.ts'
import type { Section } from './changes.ts'
import { checkPlan, type Finding, rootAbove } from './check-plan.ts'
import { clusterOf } from './cluster.ts'
import { etcdMemberFolder } from './lookup.ts'
import type {
  AuthorityDocument,
  AuthoritySpec,
  CertificateDocument,
  CertificateSpec,
  Issuance,
  KeyPairSpec,
  KeyUsage,
  KubeconfigDocument,
  KubeconfigSpec,
  NameConstraints,
  Plan,
  PlanDocument,
  PlanNode,
  RowDocument,
} from './types.ts'
import { expandList, expandText, type Variables, variablesOf } from './variables.ts'
import { rowAt } from './versions.ts'

const leafUsages: readonly KeyUsage[] = ['digitalSignature', 'keyEncipherment']
/** kubeadm's, for authorities: client-go's NewSelfSignedCACert. */
const authorityUsages: readonly KeyUsage[] = ['digitalSignature', 'keyEncipherment', 'keyCertSign']

/** For clocks that run a little behind: kubeadm's CertificateBackdate. */
const backdateMs = 5 * 60_000

export function resolvePlan(
  document: PlanDocument,
  file: string | undefined,
  report: (finding: Finding) => void,
): Plan {
  const cluster = clusterOf(document.cluster ?? {}, report)
  const version = document.kubernetesVersion ?? '1.37'
  const keyAlgorithm = document.keyAlgorithm ?? 'ECDSA-P256'
  const leafValidity = document.certificateValidityPeriod ?? '8760h'
  const caValidity = document.caCertificateValidityPeriod ?? '87600h'

  const issuance = (
    section: Section,
    row: RowDocument,
    variables: Variables,
    defaults: { isCa: boolean; dnsNames: readonly string[] },
  ): Issuance => {
    const name = row.name ?? ''
    const text = (field: keyof RowDocument) =>
      expandText(String(row[field] ?? ''), variables, message => report({ section, name, field, message }))
    const list = (field: 'organizations' | 'dnsNames' | 'ipAddresses' | 'uris' | 'emailAddresses' | 'certSANs') =>
      (row[field] ?? []).flatMap((item, index) =>
        expandList([item], variables, message => report({ section, name, field, index, message })),
      )
    const dnsNames = row.dnsNames ? list('dnsNames') : [...defaults.dnsNames]
    const ipAddresses = list('ipAddresses')
    for (const extra of list('certSANs')) if (extra) (isIP(extra) ? ipAddresses : dnsNames).push(extra)
    ipAddresses.forEach((address, index) => {
      if (!isIP(address)) {
        report({ section, name, field: 'ipAddresses', index, message: `not an IP address: ${JSON.stringify(address)}` })
      }
    })
    const isCa = row.isCa ?? defaults.isCa
    const validity = parseDuration(row.validity ?? (defaults.isCa ? caValidity : leafValidity))
    return {
      name: text('name'),
      file: text('file'),
      issuer: row.issuer ?? 'self',
      commonName: text('commonName'),
      organizations: list('organizations'),
      keyAlgorithm: row.keyAlgorithm ?? keyAlgorithm,
      ...(row.signatureHash ? { signatureHash: row.signatureHash } : {}),
      ...(row.extraExtensions ? { extraExtensions: row.extraExtensions } : {}),
      keyUsages: row.keyUsages ?? (defaults.isCa ? authorityUsages : leafUsages),
      extKeyUsages: row.extKeyUsages ?? (section === 'kubeconfigs' ? ['clientAuth'] : []),
      dnsNames: unique(dnsNames),
      ipAddresses: unique(ipAddresses),
      uris: list('uris'),
      emailAddresses: list('emailAddresses'),
      isCa,
      validityMs: validity,
      ...(row.backdate ? { backdateMs: parseDuration(row.backdate) } : defaults.isCa ? { backdateMs } : {}),
      ...(row.notBefore ? { notBefore: row.notBefore } : {}),
      ...(row.notAfter ? { notAfter: row.notAfter } : {}),
      ...(row.serialNumber ? { serialNumber: row.serialNumber.toLowerCase() } : {}),
      chain: row.chain ?? [],
      ...(row.sameKeyAs ? { sameKeyAs: row.sameKeyAs } : {}),
    }
  }

  const first = cluster.nodes[0]!
  /** A row once, or once a node. */
  const perNode = <T extends RowDocument & { forEach?: 'node' | 'otherNode' }, R>(
    row: T,
    make: (variables: Variables, node: string | undefined) => R,
  ): R[] => {
    if (!row.forEach) return [make(variablesOf(cluster, first), undefined)]
    const nodes = row.forEach === 'node' ? cluster.nodes : cluster.nodes.slice(1)
    return nodes.map(node => make(variablesOf(cluster, node), node.name))
  }
  const current = <T extends RowDocument>(rows: readonly T[] | undefined): T[] =>
    (rows ?? []).flatMap(row => rowAt(row, version) ?? [])

  const authorities = current<AuthorityDocument>(document.authorities).map((row): AuthoritySpec => {
    const variables = variablesOf(cluster, first)
    // client-go's NewSelfSignedCACert adds the CN as a DNS name
    const dnsNames = row.commonName ? [expandText(row.commonName, variables, () => {})] : []
    const spec = issuance('authorities', row, variables, { isCa: true, dnsNames })
    const { nameConstraints } = row
    const constraint = (field: keyof NameConstraints) =>
      expandList(nameConstraints?.[field] ?? [], variables, message =>
        report({ section: 'authorities', name: spec.name, field: 'nameConstraints', message }),
      )
    return {
      ...spec,
      certificateFile: `${spec.file}.crt`,
      keyFile: `${spec.file}.key`,
      ...(row.pathLength === undefined ? {} : { pathLength: row.pathLength }),
      ...(nameConstraints
        ? {
            nameConstraints: {
              permittedDnsNames: constraint('permittedDnsNames'),
              excludedDnsNames: constraint('excludedDnsNames'),
              permittedIpRanges: constraint('permittedIpRanges'),
              excludedIpRanges: constraint('excludedIpRanges'),
            },
          }
        : {}),
    }
  })
  const certificate = (row: CertificateDocument, variables: Variables, node?: string): CertificateSpec => {
    const spec = issuance('certificates', row, variables, { isCa: false, dnsNames: [] })
    return {
      ...spec,
      certificateFile: `${spec.file}.crt`,
      keyFile: `${spec.file}.key`,
      keyMode: Number.parseInt(row.keyMode ?? '600', 8),
      ...(row.keyFrom ? { keyFrom: row.keyFrom } : {}),
      ...(node ? { node } : {}),
      ...(row.sameAs ? { sameAs: row.sameAs } : {}),
      managed: row.managed ?? !row.sameAs,
      longName: expandText(row.longName ?? `certificate ${spec.name}`, variables, () => {}),
    }
  }
  const rows = current<CertificateDocument>(document.certificates)
  /** An etcd member after the first: what kubeadm would make on its node, in files below `etcd/<its name>/`. */
  const ofMember = (row: CertificateDocument, member: PlanNode): CertificateSpec => {
    const own = (name: string) => (isPerMember(name) ? `${name}-${member.name}` : name)
    const there = { ...cluster, nodeName: member.name, advertiseAddress: member.address }
    const written: CertificateDocument = {
      ...row,
      // faults of this member alone
      ...rows.find(({ name }) => name === own(row.name!)),
      name: own(row.name!),
      file: `${etcdMemberFolder(member.name)}/${row.file}`,
      ...(row.sameAs ? { sameAs: own(row.sameAs) } : {}),
      ...(row.keyFrom ? { keyFrom: own(row.keyFrom) } : {}),
      ...(row.sameKeyAs ? { sameKeyAs: own(row.sameKeyAs) } : {}),
      ...(row.longName ? { longName: `${row.longName} on ${member.name}` } : {}),
    }
    return { ...certificate(written, variablesOf(there, member)), etcdMember: member.name }
  }
  const otherMembers = cluster.etcdMembers.slice(1)
  const isOfMember = (name = '') => otherMembers.some(member => perMember.some(one => name === `${one}-${member.name}`))
  const certificates = rows
    .filter(({ name }) => !isOfMember(name))
    .flatMap(row => [
      ...perNode(row, (variables, node) => certificate(row, variables, node)),
      ...(isPerMember(row.name) ? otherMembers.map(member => ofMember(row, member)) : []),
    ])
  const kubeconfigs = current<KubeconfigDocument>(document.kubeconfigs).flatMap(row =>
    perNode(row, (variables, node): KubeconfigSpec => {
      const spec = issuance('kubeconfigs', row, variables, { isCa: false, dnsNames: [] })
      const server = row.server ?? cluster.server
      return {
        ...spec,
        mode: Number.parseInt(row.mode ?? '600', 8),
        server: expandText(server, variables, message =>
          report({ section: 'kubeconfigs', name: row.name ?? '', field: 'server', message }),
        ),
        trust: row.trust ?? [rootAbove(spec.issuer, authorities)],
        clusterName: row.clusterName ?? cluster.clusterName,
        ...(node ? { node } : {}),
        managed: row.managed ?? true,
        longName: expandText(row.longName ?? `certificate embedded in ${spec.name}`, variables, () => {}),
      }
    }),
  )
  const keyPairs = (document.keyPairs ?? []).map(
    (row): KeyPairSpec => ({
      name: row.name ?? '',
      file: row.file ?? '',
      keyFile: `${row.file}.key`,
      publicKeyFile: `${row.file}.pub`,
      keyAlgorithm: row.keyAlgorithm ?? keyAlgorithm,
    }),
  )
  const shared = certificates.map(row => shareFiles(row, certificates))
  const plan: Plan = {
    name: document.name ?? (file ? posix.basename(file).replace(/\.ya?ml$/, '') : 'plan'),
    description: document.description ?? '',
    ...(file ? { file } : {}),
    kubernetesVersion: version,
    cluster,
    keyAlgorithm,
    authorities,
    certificates: shared,
    kubeconfigs,
    keyPairs,
    trust: document.trust ?? {},
    ownTrustFiles: document.ownTrustFiles ?? false,
    document,
  }
  checkPlan(plan, report)
  return plan
}

/** Of these each etcd member has its own. */
const perMember = ['etcd-server', 'etcd-peer']
const isPerMember = (name = ''): boolean => perMember.includes(name)

/** With `sameAs`, all that the other certificate is. */
function shareFiles(row: CertificateSpec, certificates: readonly CertificateSpec[]): CertificateSpec {
  const { name, sameAs, longName, managed } = row
  const other = certificates.find(candidate => candidate.name === sameAs && !candidate.sameAs)
  return sameAs && other ? { ...other, name, sameAs, longName, managed } : row
}

const unique = (items: readonly string[]) => [...new Set(items)]
