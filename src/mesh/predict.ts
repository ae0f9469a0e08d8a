/**
 * What will happen on every row, from the files alone: no private key is needed, nothing is dialled. What is observed must agree;
 * where it does not, one of the two has a bug.
 */
import { createHash, X509Certificate } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { messageOf } from '#errors.ts'
import { loadKubeconfig, type Source } from '#kubernetes/kubeconfig.ts'
import type { PlanNode } from '#pki/types.ts'
import type { End, Layer, Outcome } from '#tls/types.ts'
import { parseCertificate } from '#x509/certificate.ts'
import { parseRevocationList, revocation } from '#x509/crl.ts'
import { readKeyPair } from '#x509/key-pair.ts'
import { certificateBlocks } from '#x509/pem.ts'
import type { Reason } from '#x509/reasons.ts'
import type { Certificate, Usage, Verdict, Voice } from '#x509/types.ts'
import { verify } from '#x509/verify.ts'
import { handshakeKeyError } from '#x509/words.ts'
import { type Connection, componentOf, connections, type Decided, findConnection } from './connections.ts'
import { addressOf, etcdIdOf, etcdMembersOf, fileOf, isKubeconfig, type Layout, shownPair } from './layout.ts'
import { memberRows, together } from './member-rows.ts'
import { addedFlag, clientTls, isWithheld, serverTls } from './settings.ts'

export interface Prediction {
  from: string
  to: string
  outcome: Outcome
  refusedBy?: End
  layer?: Layer
  reason?: Reason
  /** Go's words, without the prefix of the place; of several members of etcd, with whose they are in front. */
  message?: string
  /** Of several members of etcd, those (or pairs) with which it is not well: `node-2`, `node-1 -> node-2`. */
  failing?: readonly string[]
}

export interface PredictOptions {
  now: Date
  voice?: Voice
  /** Components that are real programs, of another Go than the others. */
  voices?: Readonly<Record<string, Voice>>
  rows?: readonly Connection[]
  /** Components whose clock is off, in milliseconds. */
  clockOffsets?: Readonly<Record<string, number>>
  /** Which components are known to run, or not to: of the others the files decide. */
  runs?: Readonly<Record<string, boolean>>
}

/**
 * What every connection will do, from the files alone: nothing is dialled, and no private key is needed.
 * @example
 * const inAYear = new Date(Date.now() + 365 * 86_400_000)
 * predict(mesh.layout, { now: inAYear }).filter(({ outcome }) => outcome !== 'ok')
 */
export function predict(layout: Layout, options: PredictOptions): Prediction[] {
  const { rows = connections } = options
  const members = etcdMembersOf(layout)
  const one = (row: Connection): Prediction => {
    const { from, to, serverMember } = row
    const isAway = (member: string | undefined) =>
      member !== undefined && options.runs?.[etcdIdOf(layout, member)] === false
    if (isAway(serverMember)) return { from, to, outcome: 'unreachable', reason: 'unreachable' }
    try {
      return predictRow(layout, row, options)
    } catch (error) {
      // a bundle or kubeconfig that is not there, or is none: whoever needs it does not start
      return { from, to, outcome: 'unreachable', reason: 'unreachable', message: messageOf(error) }
    }
  }
  const known = new Map<string, { row: Connection; result: Prediction }[]>()
  const find = (from: string, to: string) => {
    const name = `${from} -> ${to}`
    const found =
      known.get(name) ?? memberRows(members, findConnection(from, to)!).map(row => ({ row, result: one(row) }))
    known.set(name, found)
    return found
  }
  const isServed = () => {
    // an apiserver that etcd refuses has nothing to serve: the original gives up, too, unless it had begun before
    // (our apiserver asks by etcd's gateway, where its original speaks gRPC)
    const storage = [find('kube-apiserver', 'etcd'), find('etcd-gateway', 'etcd')]
    const peers = find('etcd-peer', 'etcd-peer')
    const isLinked = (a: string, b: string) =>
      peers
        .filter(({ row }) => [row.clientMember, row.serverMember].every(name => name === a || name === b))
        .every(({ result }) => result.outcome === 'ok')
    // with a majority of the members, itself among them
    const hasQuorum = ({ name }: PlanNode) =>
      members.filter(other => other.name === name || isLinked(name, other.name)).length > members.length / 2
    return members.some(
      (member, i) =>
        (members.length === 1 || hasQuorum(member)) && storage.every(list => list[i]!.result.outcome === 'ok'),
    )
  }
  const runs: Record<string, boolean> = {
    'kube-apiserver': options.runs?.['kube-apiserver'] ?? (options.runs?.etcd !== false && isServed()),
    ...options.runs,
    // each member has been looked at by itself
    ...(members.length > 1 ? { etcd: true } : {}),
  }
  return rows.map(row => {
    const { from, to, port } = row
    if (row.serverMember) return one(row)
    const listener = port === 'etcd-peer' ? 'etcd' : port
    return runs[listener] === false
      ? { from, to, outcome: 'unreachable', reason: 'unreachable' }
      : together(find(from, to))
  })
}

/** One row, or one member's (or pair's) part of it. */
function predictRow(layout: Layout, row: Connection, options: PredictOptions): Prediction {
  const { from, to, clientMember, serverMember } = row
  const shown = row.clientCertificate && !isWithheld(layout, row.clientCertificate) ? row.clientCertificate : undefined
  const voiceOf = (end: End): Voice =>
    options.voices?.[componentOf(end === 'client' ? from : to)] ?? options.voice ?? 'go1.24'
  const judge = (end: End, chain: string, trust: Decided, usage: Usage, name?: string): Verdict =>
    verify({
      chain,
      roots: trustPem(layout, trust, end === 'client' ? clientMember : serverMember),
      usage,
      ...(name === undefined ? {} : { name }),
      now: timeOf(componentOf(end === 'client' ? from : to), options),
      voice: voiceOf(end),
    })
  const refused = (refusedBy: End, layer: Layer, verdict: { reason: Reason; message: string }): Prediction => ({
    from,
    to,
    outcome: 'refused',
    refusedBy,
    layer,
    reason: verdict.reason,
    message: verdict.message,
  })

  if (row.port === 'kubelet' && layout.bootstrap && !isServing(layout, row.serverCertificate, timeOf(to, options))) {
    return { from, to, outcome: 'refused', refusedBy: 'server', layer: 'tls', message: unserving }
  }
  const unserved = unusable(layout, row.serverCertificate, serverMember)
  const broken = (shown && unusable(layout, shown, clientMember)) ?? unserved
  // a running etcd reads its pair for every handshake, and goes on refusing; others have the old one in memory, or do not start
  const rereads = row.refusal === 'tls' && options.runs?.etcd === true
  if (unserved && broken === unserved && rereads) return refused('server', 'tls', unserved)
  if (broken) return { from, to, outcome: 'unreachable', ...broken }
  const apart = handshakeRefusal(layout, row)
  if (apart) return refused('server', 'tls', apart)
  if (row.clientTrust && fileOf(layout, row.clientTrust, 'trust')) {
    const name = row.serverName ?? addressOf(layout, row.port, serverMember).host
    const verdict = judge(
      'client',
      certificatePem(layout, row.serverCertificate, serverMember),
      row.clientTrust,
      'serverAuth',
      name,
    )
    if (verdict.verdict === 'reject') return refused('client', 'tls', verdict)
    const weak = handshakeKeyError(verdict.chains[0]![0]!, { end: 'client', voice: voiceOf('client') })
    if (weak) return refused('client', 'tls', { reason: 'weak-key', message: weak })
  }
  if (!row.serverTrust || !row.clientCertificate) return { from, to, outcome: 'ok' }
  if (!shown) return { from, to, ...unnamed(layout, row) }
  const chain = certificatePem(layout, shown, clientMember)
  if (!fileOf(layout, row.serverTrust, 'trust')) {
    return refused('server', 'authentication', { reason: 'unauthorized', message: 'Unauthorized' })
  }
  const verdict = judge('server', chain, row.serverTrust, 'clientAuth')
  const isProxy = row.frontProxy && verdict.verdict === 'accept' && mayProxy(layout, to, verdict.chains[0]![0]!)
  if (row.frontProxy && !isProxy && !(verdict.verdict === 'reject' && verdict.parsing)) {
    // no front proxy: the next to look at the certificate is x509, with the client CA, and it is for the words
    const clients = { name: `${to}.client-ca`, flag: `${to} --client-ca-file` }
    const other = fileOf(layout, clients, 'trust') ? judge('server', chain, clients, 'clientAuth') : verdict
    if (other.verdict === 'reject') return refused('server', 'authentication', other)
    const forbidden = { reason: 'forbidden', message: 'cannot get path' } as const
    if (other !== verdict) return refused('server', 'authorization', forbidden)
    return refused('server', 'authentication', { reason: 'unauthorized', message: 'not in the allowed list' })
  }
  if (verdict.verdict === 'reject') {
    // what Go cannot parse ends the handshake even where a bad certificate would not
    return refused('server', row.refusal === 'tls' || verdict.parsing ? 'tls' : 'authentication', verdict)
  }
  const [certificate] = verdict.chains[0]!
  const weak = handshakeKeyError(certificate!, { end: 'server', voice: voiceOf('server') })
  if (weak) return refused('server', 'tls', { reason: 'weak-key', message: weak })
  const cn = to === 'etcd-peer' ? addedFlag(layout, 'etcd', 'peer-cert-allowed-cn') : undefined
  if (cn && cn !== certificate!.subject.commonName) {
    return refused('server', 'tls', { reason: 'name-mismatch', message: 'client certificate authentication failed' })
  }
  const list = row.refusal === 'tls' ? addedFlag(layout, 'etcd', listFlag(row)) : undefined
  const revoked = list ? revocation([certificate!], [parseRevocationList(readFileSync(list))]) : undefined
  if (revoked?.verdict === 'reject') return refused('server', 'tls', revoked)
  const leaf = certificate!.subject
  // a Node object is for its own kubelet to read
  const node = row.request.path.includes('{node}') ? layout.nodes[0]!.name : undefined
  const isOpen = addedFlag(layout, to, 'authorization-mode') === 'AlwaysAllow'
  if (row.allowed && !isOpen && !mayRequest(allowedBy(layout, row.allowed), leaf, node)) {
    return refused('server', 'authorization', {
      reason: 'forbidden',
      message: `User ${JSON.stringify(leaf.commonName)} cannot`,
    })
  }
  return { from, to, outcome: 'ok' }
}

/** An empty list lets everybody in whom the front-proxy CA signed. */
function mayProxy(layout: Layout, to: string, { subject }: Certificate): boolean {
  const names =
    addedFlag(layout, to, 'requestheader-allowed-names')?.split(',').filter(Boolean) ??
    layout.plan.cluster.requestheaderAllowedNames
  return names.length === 0 || names.includes(subject.commonName)
}

const listFlag = ({ to }: Connection) => (to === 'etcd-peer' ? 'peer-crl-file' : 'client-crl-file')

/** What ends a handshake before any certificate is looked at: no version, no suite in common. The server says so. */
function handshakeRefusal(layout: Layout, row: Connection): { reason: Reason; message: string } | undefined {
  const client = clientTls(layout, row)
  const server = serverTls(layout, row)
  if (client.maxVersion < server.minVersion || server.maxVersion < client.minVersion) {
    return { reason: 'protocol-version', message: 'tls: client offered only unsupported versions' }
  }
  const isOld = client.maxVersion === 'TLSv1.2' || server.maxVersion === 'TLSv1.2'
  if (!isOld || server.cipherSuites.length === 0) return undefined
  // TLS 1.2 suites are for one type of key (RFC 5246 §7.4.3); TLS 1.3 has others, which are always on
  const { publicKey } = new X509Certificate(certificatePem(layout, row.serverCertificate, row.serverMember))
  const isRsa = publicKey.asymmetricKeyType === 'rsa'
  if (server.cipherSuites.some(suite => /_ECDSA_/.test(suite) !== isRsa)) return undefined
  return { reason: 'cipher-mismatch', message: 'tls: no cipher suite supported by both client and server' }
}

/** A client that shows no certificate: etcd refuses, the others take it for system:anonymous, where they take that. */
function unnamed(layout: Layout, { to, refusal, allowed }: Connection): Omit<Prediction, 'from' | 'to'> {
  const refused = { outcome: 'refused', refusedBy: 'server' } as const
  if (refusal === 'tls') {
    return { ...refused, layer: 'tls', reason: 'no-certificate', message: "tls: client didn't provide a certificate" }
  }
  // the mesh's kubelets have `authentication.anonymous.enabled: false`, as kubeadm's
  if (to === 'kubelet' || addedFlag(layout, to, 'anonymous-auth') === 'false') {
    return { ...refused, layer: 'authentication', reason: 'unauthorized', message: 'Unauthorized' }
  }
  if (!allowed && to !== 'extension-apiserver') return { outcome: 'ok' }
  return { ...refused, layer: 'authorization', reason: 'forbidden', message: 'User "system:anonymous" cannot' }
}

/** Where the table names kubeadm's client of kubelets, the plan may have another. */
function allowedBy({ plan }: Layout, allowed: NonNullable<Connection['allowed']>): NonNullable<Connection['allowed']> {
  const { users = [] } = allowed
  if (!users.includes('kube-apiserver-kubelet-client')) return allowed
  return { ...allowed, users: [...users, ...plan.cluster.kubeletApiAdmins] }
}

function mayRequest(
  allowed: NonNullable<Connection['allowed']>,
  { commonName: user, organizations }: Certificate['subject'],
  node: string | undefined,
): boolean {
  const { users = [], groups = [], userPrefix } = allowed
  if (users.includes(user) || organizations.some(group => groups.includes(group))) return true
  // the Node authorizer: CN system:node:<name> and O system:nodes, both
  if (userPrefix === undefined || !user.startsWith(userPrefix) || !organizations.includes('system:nodes')) return false
  const name = user.slice(userPrefix.length)
  return name !== '' && (node === undefined || name === node)
}

const timeOf = (component: string, { now, clockOffsets = {} }: PredictOptions): Date =>
  new Date(now.getTime() + (clockOffsets[component] ?? 0))

// what its server says to itself is `no serving certificate available for the kubelet`
const unserving = 'remote error: tls: internal error'

/** A kubelet that asks for its serving certificate serves none before somebody approved it, and none that has expired. */
function isServing(layout: Layout, decided: Decided, now: Date): boolean {
  if (!existsSync(fileOf(layout, decided, 'certificate')!)) return false
  const [leaf] = certificateBlocks(certificatePem(layout, decided))
  return leaf === undefined || now < parseCertificate(leaf).notAfter
}

/** Why its owner cannot even start with this certificate, or undefined. A key that is not there is not missed. */
function unusable(layout: Layout, decided: Decided, member?: string): { reason: Reason; message: string } | undefined {
  try {
    const certificate = certificatePem(layout, decided, member)
    const key = keyPem(layout, decided, member)
    const message = key === undefined ? undefined : pairTrouble(certificate, key)
    if (message === undefined) return undefined
    return { reason: /does not match public key/.test(message) ? 'key-mismatch' : 'unreachable', message }
  } catch (error) {
    return { reason: 'unreachable', message: messageOf(error) }
  }
}

/** By the hash of both: most rows share their pairs, and a key is not kept to be compared with. */
const pairTroubles = new Map<string, string | undefined>()
const mostPairs = 500

/** What Go says of a pair that does not fit, or undefined. */
function pairTrouble(certificate: string, key: string): string | undefined {
  const hash = createHash('sha256').update(`${certificate}\0${key}`).digest('base64')
  if (pairTroubles.has(hash)) return pairTroubles.get(hash)
  let trouble: string | undefined
  try {
    readKeyPair(certificate, key)
  } catch (error) {
    trouble = messageOf(error)
  }
  if (pairTroubles.size >= mostPairs) pairTroubles.clear()
  pairTroubles.set(hash, trouble)
  return trouble
}

function certificatePem(layout: Layout, decided: Decided, member?: string): string {
  const file = fileOf(layout, decided, 'certificate', member)!
  return isKubeconfig(decided) ? pemOf(loadKubeconfig(file).clientCertificate) : readFileSync(file, 'utf8')
}

function trustPem(layout: Layout, decided: Decided, member?: string): string {
  const file = fileOf(layout, decided, 'trust', member)!
  return isKubeconfig(decided) ? pemOf(loadKubeconfig(file).certificateAuthority) : readFileSync(file, 'utf8')
}

function keyPem(layout: Layout, decided: Decided, member?: string): string | undefined {
  if (isKubeconfig(decided)) return undefined
  try {
    return readFileSync(shownPair(layout, decided, member).key, 'utf8')
  } catch {
    return undefined
  }
}

const pemOf = (source: Source | undefined): string =>
  source === undefined ? '' : 'data' in source ? source.data : readFileSync(source.file, 'utf8')
