/** From a plan as written to a plan as used: variables expanded, defaults filled in, every reference checked. */
import { isIP } from 'node:net'
import { posix } from 'node:path'
import { parseDuration } from '#clock.ts'
import { nearest } from '#errors.ts'
import type { Section } from './changes.ts'
import type {
  AuthorityDocument,
  AuthoritySpec,
  CertificateDocument,
  CertificateSpec,
  ClusterDocument,
  ClusterParameters,
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
import { compareVersions, rowAt } from './versions.ts'

/** Where something is wrong: a section, a row's name, a field (and an index in it). */
export interface Finding {
  section: Section | 'trust' | 'cluster'
  name: string
  field?: string
  index?: number
  message: string
}

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
  const certificates = current<CertificateDocument>(document.certificates).flatMap(row =>
    perNode(row, (variables, node): CertificateSpec => {
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
    }),
  )
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
    document,
  }
  checkPlan(plan, report)
  return plan
}

/** With `sameAs`, all that the other certificate is. */
function shareFiles(row: CertificateSpec, certificates: readonly CertificateSpec[]): CertificateSpec {
  const { name, sameAs, longName, managed } = row
  const other = certificates.find(candidate => candidate.name === sameAs && !candidate.sameAs)
  return sameAs && other ? { ...other, name, sameAs, longName, managed } : row
}

/** The self-signed authority above `name`, which is what clients are given to believe. */
function rootAbove(name: string, authorities: readonly AuthoritySpec[]): string {
  const seen = new Set<string>()
  for (let current = name; ; ) {
    const authority = authorities.find(candidate => candidate.name === current)
    if (!authority || authority.issuer === 'self' || seen.has(current)) return current
    seen.add(current)
    current = authority.issuer
  }
}

function clusterOf(written: ClusterDocument, report: (finding: Finding) => void): ClusterParameters {
  const nodeName = written.nodeName ?? written.nodes?.[0]?.name ?? 'node-1'
  const advertiseAddress = written.advertiseAddress ?? '127.0.0.1'
  const wrong = (field: keyof ClusterDocument, message: string, index?: number) =>
    report({ section: 'cluster', name: '', field, message, ...(index === undefined ? {} : { index }) })
  const nodes = (written.nodes ?? []).map(
    (node): PlanNode => ({ name: node.name, address: node.address ?? advertiseAddress }),
  )
  if (nodes.length === 0) nodes.push({ name: nodeName, address: advertiseAddress })
  else if (nodes[0]!.name !== nodeName) {
    // changing nodeName alone renames the first node
    nodes[0] = { ...nodes[0]!, name: nodeName }
  }
  const server =
    written.server ?? `https://${isIP(advertiseAddress) === 6 ? `[${advertiseAddress}]` : advertiseAddress}:6443`
  const serviceIP = written.serviceIP ?? '10.96.0.1'
  for (const [field, value] of [
    ['advertiseAddress', advertiseAddress],
    ['serviceIP', serviceIP],
  ] as const) {
    if (!isIP(value)) wrong(field, `not an IP address: ${JSON.stringify(value)}`)
  }
  if (!URL.canParse(server)) wrong('server', `not a URL: ${JSON.stringify(server)}`)
  nodes.forEach((node, index) => {
    if (!isIP(node.address) && written.nodes?.[index]?.address)
      wrong('nodes', `not an IP address: ${JSON.stringify(node.address)}`, index)
    if (!/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(node.name)) {
      wrong('nodes', `not a node name: ${JSON.stringify(node.name)} (lower-case letters, digits, - and .)`, index)
    }
    if (nodes.findIndex(other => other.name === node.name) !== index) {
      wrong('nodes', `node ${JSON.stringify(node.name)} is there twice`, index)
    }
  })
  return {
    clusterName: written.clusterName ?? 'kubernetes',
    nodeName,
    nodes,
    advertiseAddress,
    server,
    serviceIP,
    dnsDomain: written.dnsDomain ?? 'cluster.local',
    apiServerCertSANs: written.apiServerCertSANs ?? [],
    etcdServerCertSANs: written.etcdServerCertSANs ?? [],
    etcdPeerCertSANs: written.etcdPeerCertSANs ?? [],
    componentCertSANs: written.componentCertSANs ?? [],
    requestheaderAllowedNames: written.requestheaderAllowedNames ?? ['front-proxy-client'],
    kubeletApiAdmins: written.kubeletApiAdmins ?? ['kube-apiserver-kubelet-client'],
  }
}

/** Names used once, files inside the state directory and used once, every reference to something that is there. */
function checkPlan(plan: Plan, report: (finding: Finding) => void): void {
  const names = new Map<string, Section>()
  const files = new Map<string, string>()
  const rows: { section: Section; row: Issuance | KeyPairSpec; paths: string[] }[] = [
    ...plan.authorities.map(row => ({
      section: 'authorities' as const,
      row,
      paths: row.sameKeyAs ? [row.certificateFile] : [row.certificateFile, row.keyFile],
    })),
    ...plan.certificates.map(row => ({
      section: 'certificates' as const,
      row,
      paths: row.sameAs ? [] : [row.certificateFile, row.keyFile],
    })),
    ...plan.kubeconfigs.map(row => ({ section: 'kubeconfigs' as const, row, paths: [row.file] })),
    ...plan.keyPairs.map(row => ({ section: 'keyPairs' as const, row, paths: [row.keyFile, row.publicKeyFile] })),
  ]
  for (const { section, row, paths } of rows) {
    const { name } = row
    if (names.has(name) || name === 'self') {
      report({ section, name, field: 'name', message: `the name ${JSON.stringify(name)} is used twice` })
    }
    names.set(name, section)
    const { file } = row
    if (posix.isAbsolute(file) || file !== posix.normalize(file) || file.startsWith('..') || /[\\\0]/.test(file)) {
      report({ section, name, field: 'file', message: `not a path inside the state directory: ${file}` })
    }
    for (const path of paths) {
      const other = files.get(path)
      if (other) report({ section, name, field: 'file', message: `${path} is written by ${other} already` })
      files.set(path, name)
    }
  }
  const authorityNames = plan.authorities.map(row => row.name)
  const certificateNames = plan.certificates.map(row => row.name)
  const keyed = [...names.keys()]
  const must = (word: string, known: readonly string[], what: string, where: Omit<Finding, 'message'>) => {
    if (known.includes(word)) return
    const near = nearest(word, known)
    const hint = near ? `, did you mean ${JSON.stringify(near)}?` : `; known: ${known.join(', ')}`
    report({ ...where, message: `unknown ${what} ${JSON.stringify(word)}${hint}` })
  }
  for (const { section, row } of rows) {
    if (!('issuer' in row)) continue
    const { name } = row
    if (row.issuer !== 'self') must(row.issuer, authorityNames, 'authority', { section, name, field: 'issuer' })
    row.chain.forEach((authority, index) => {
      must(authority, authorityNames, 'authority', { section, name, field: 'chain', index })
    })
    if (row.sameKeyAs) must(row.sameKeyAs, keyed, 'entry', { section, name, field: 'sameKeyAs' })
  }
  for (const { name, keyFrom, sameAs } of plan.certificates) {
    if (sameAs) {
      const others = plan.certificates.filter(row => !row.sameAs).map(row => row.name)
      must(sameAs, others, 'certificate', { section: 'certificates', name, field: 'sameAs' })
    }
    if (keyFrom) must(keyFrom, keyed, 'entry', { section: 'certificates', name, field: 'keyFrom' })
  }
  for (const { name, trust } of plan.kubeconfigs) {
    trust.forEach((trusted, index) => {
      const where = { section: 'kubeconfigs', name, field: 'trust', index } as const
      must(trusted, [...authorityNames, ...certificateNames], 'authority', where)
    })
  }
  for (const authority of plan.authorities) {
    const root = rootAbove(authority.name, plan.authorities)
    const top = plan.authorities.find(candidate => candidate.name === root)
    if (top && top.issuer !== 'self' && authorityNames.includes(top.issuer)) {
      report({
        section: 'authorities',
        name: authority.name,
        field: 'issuer',
        message: `${authority.name} is, in the end, issued by itself`,
      })
    }
  }
  for (const [slot, trusted] of Object.entries(plan.trust)) {
    trusted.forEach((name, index) => {
      must(name, [...authorityNames, ...certificateNames], 'authority', { section: 'trust', name: slot, index })
    })
  }
  if (compareVersions(plan.kubernetesVersion, '1.1') < 0) {
    report({ section: 'cluster', name: '', message: `no such Kubernetes version: ${plan.kubernetesVersion}` })
  }
}

const unique = (items: readonly string[]) => [...new Set(items)]
