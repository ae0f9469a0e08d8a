/** `lint(where)`: a folder, a PKI, a Git repository or an image, looked through by the table of rules. */
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { TrustplaneError } from '#errors.ts'
import { isArchive, readArchive } from './archive.ts'
import { authorityChecks } from './checks/authorities.ts'
import { certificateChecks } from './checks/certificates.ts'
import { fileChecks } from './checks/files.ts'
import { staticPodChecks } from './checks/static-pods.ts'
import { inspectGit } from './git.ts'
import { inspectImage } from './image.ts'
import { inspect } from './inspect.ts'
import { takeInventory } from './inventory.ts'
import { type RuleId, rules, type Severity } from './rules.ts'
import { readStart, readTree, type Tree } from './tree.ts'
import { count, type Finding, type FoundKey, type Inspected, type Looked } from './types.ts'

export interface LintOptions {
  now: Date
  /** False: the files of a repository, without its history. */
  history?: boolean
}

export interface LintReport {
  target: string
  kind: 'pki' | 'folder' | 'git' | 'image'
  /** The worst first. */
  findings: readonly Finding[]
  looked: Looked
}

const checks = [...fileChecks, ...certificateChecks, ...authorityChecks, ...staticPodChecks]

/** @throws TrustplaneError TP_FILE_UNREADABLE, TP_INPUT_INVALID, TP_PROGRAM_MISSING */
export async function lint(target: string, options: LintOptions): Promise<LintReport> {
  const stats = statSync(target, { throwIfNoEntry: false })
  if (!stats) {
    throw new TrustplaneError('TP_FILE_UNREADABLE', `there is no ${target}`, {
      fix: 'give a folder, a Git repository, or a tarball of an image (docker save)',
      at: { file: target },
    })
  }
  const looked: Looked = { files: 0, bytes: 0, keys: 0, certificates: 0, skipped: [] }
  const done = (kind: LintReport['kind'], findings: readonly Finding[]): LintReport => ({
    target,
    kind,
    findings: sorted(findings),
    looked,
  })
  if (!stats.isDirectory()) {
    const { data } = await readStart(target)
    if (isArchive(data)) return done('image', (await inspectImage(target, looked)).flatMap(inImage))
    return done('folder', inTree(count(inspect({ path: target, data, place: {} }), data, looked)))
  }
  if (isBare(target)) return done('git', (await inspectGit(target, looked)).flatMap(inGit))

  const tree: Tree = { folders: new Map(), archives: [] }
  const files: Inspected[] = []
  for await (const blob of readTree(target, tree, looked)) {
    files.push(count(inspect(blob), blob.data, looked))
  }
  const inArchives = await inspectArchives(target, tree, looked)
  const pki = files.some(({ path }) => isOfPki(path))
  const found = pki
    ? checks.flatMap(check => check(takeInventory({ dir: target, now: options.now, files, folders: tree.folders })))
    : files.flatMap(inTree)
  const isRepository = existsSync(join(target, '.git'))
  const history = isRepository && options.history !== false ? (await inspectGit(target, looked)).flatMap(inGit) : []
  return done(isRepository ? 'git' : pki ? 'pki' : 'folder', [...found, ...inArchives.flatMap(inTree), ...history])
}

/** Where keys belong: a state directory, a node's /etc/kubernetes, its pki/. */
const isOfPki = (path: string) =>
  /^(pki\/)?[\w-]*ca\.crt$|^plan\.json$|^(admin|super-admin|kubelet|controller-manager|scheduler)\.conf$/.test(path) ||
  path === 'manifests/kube-apiserver.yaml'

const isBare = (dir: string) => ['HEAD', 'objects', 'refs'].every(name => existsSync(join(dir, name)))

/** Tarballs lying about in a folder, and the layers of an OCI layout. */
async function inspectArchives(dir: string, tree: Tree, looked: Looked): Promise<Inspected[]> {
  const found: Inspected[] = []
  for (const path of tree.archives) {
    try {
      await readArchive(join(dir, path), looked, blob => {
        const layer = [path, blob.place.layer].filter(Boolean).join('!')
        const inspected = count(inspect({ ...blob, place: { layer } }), blob.data, looked)
        if (inspected.keys.length > 0) found.push(inspected)
      })
    } catch (error) {
      // any gzip file looks like one from its first bytes
      if (!(error instanceof TrustplaneError)) throw error
      looked.skipped.push(`${path}: ${error.message}`)
    }
  }
  return found
}

const rulesOfKinds: Record<FoundKey['kind'], (unencrypted: RuleId) => RuleId> = {
  private: rule => rule,
  encrypted: () => 'key-encrypted',
  store: () => 'key-store',
}

function findingsOf(inspected: Inspected, unencrypted: RuleId, more: string[], commit?: string): Finding[] {
  const { path, place, keys } = inspected
  return keys.map(key => ({
    rule: rulesOfKinds[key.kind](unencrypted),
    path,
    ...(key.line === undefined ? {} : { line: key.line }),
    detail: [describeKey(key), ...more].join(', '),
    ...place,
    ...(commit ? { commit } : {}),
  }))
}

/** Never the key: what it is, how it is written, and the hash of its public half, by which it is found again elsewhere. */
const describeKey = ({ format, written, publicKey }: FoundKey): string =>
  `${format}${written === 'PEM' ? '' : ` (${written})`}${publicKey ? `, public key SHA-256 ${publicKey.slice(0, 16)}…` : ''}`

const inTree = (one: Inspected) => findingsOf(one, 'key-in-tree', [])
const inGit = (one: Inspected & { commit?: string }) => findingsOf(one, 'key-in-git', [], one.commit)
const inImage = (one: Inspected & { deleted: boolean }) =>
  findingsOf(one, 'key-in-image', one.deleted ? ['deleted in a later layer, and still in the image'] : [])

const weights: Record<Severity, number> = { error: 0, warning: 1, note: 2 }
const order = new Map<string, number>(rules.map((rule, index) => [rule.id, weights[rule.severity] * 1000 + index]))

const sorted = (findings: readonly Finding[]): Finding[] =>
  findings.toSorted(
    (a, b) => order.get(a.rule)! - order.get(b.rule)! || (a.path < b.path ? -1 : a.path > b.path ? 1 : 0),
  )
