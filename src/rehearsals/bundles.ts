/** Trust as a list of PEM blocks, whatever holds it: a bundle, a kubeconfig, a file of public keys. */
import { createPublicKey, X509Certificate } from 'node:crypto'
import { join } from 'node:path'
import { messageOf, TrustplaneError } from '#errors.ts'
import { readKubeconfigIdentity, withCertificateAuthority } from '#pki/kubeconfig.ts'
import { etcdMemberFolder, trustFile } from '#pki/lookup.ts'
import type { TrustSlot } from '#pki/trust-slots.ts'
import type { Plan } from '#pki/types.ts'
import { readThere } from './store.ts'

/** Where a trust target's blocks are, and who the plan has in it. */
export interface TrustTarget {
  name: string
  kind: 'bundle' | 'kubeconfig' | 'keys'
  path: string
  names: readonly string[]
}

/** Undefined: the plan has no such slot, kubeconfig or key pair. */
export function trustTarget(plan: Plan, name: string): TrustTarget | undefined {
  const kubeconfig = plan.kubeconfigs.find(row => row.name === name)
  if (kubeconfig) return { name, kind: 'kubeconfig', path: kubeconfig.file, names: kubeconfig.trust }
  const pair = plan.keyPairs.find(row => row.name === name)
  if (pair) return { name, kind: 'keys', path: pair.publicKeyFile, names: [pair.name] }
  // a member's copy: `etcd.trusted-ca@node-2`
  const [slot = '', member] = name.split('@')
  const file = trustFile(plan, slot as TrustSlot)
  if (file === undefined) return undefined
  const path = member ? `${etcdMemberFolder(member)}/${file}` : file
  return { name, kind: 'bundle', path, names: plan.trust[slot as TrustSlot] ?? [] }
}

/** What is done to a slot of etcd's is done to every member's copy. */
export const onEveryMember = ({ cluster }: Plan, targets: readonly string[]): string[] => [
  ...new Set(
    targets.flatMap(target =>
      /^etcd\.[^@]*$/.test(target)
        ? [target, ...cluster.etcdMembers.slice(1).map(({ name }) => `${target}@${name}`)]
        : [target],
    ),
  ),
]

/** Blocks that have been looked at: the same few are, after every step. */
const readable = new Set<string>()

/** @throws TrustplaneError TP_PEM_INVALID for one that is half written */
export function readTrust(dir: string, { kind, path }: TrustTarget): string[] {
  const text = readThere(dir, path)
  const pem = kind === 'kubeconfig' ? readKubeconfigIdentity(text, join(dir, path)).certificateAuthority : text
  const label = kind === 'keys' ? 'PUBLIC KEY' : 'CERTIFICATE'
  const found = blocks(pem, label)
  const broken = (why: string, cause?: unknown) =>
    new TrustplaneError('TP_PEM_INVALID', `${path} is half written or damaged: ${why}`, {
      fix: 'put back the whole file (the one from before the rehearsal is in rehearsals/<name>/old/), and go on with --resume',
      at: { file: join(dir, path) },
      ...(cause === undefined ? {} : { cause }),
    })
  const begun = pem.split(`-----BEGIN ${label}-----`).length - 1
  if (begun !== found.length) throw broken(`${begun} blocks begin, ${found.length} end`)
  if (found.length === 0) throw broken(`no ${label} in it`)
  for (const block of found) {
    if (readable.has(block)) continue
    try {
      if (kind === 'keys') createPublicKey(block)
      else new X509Certificate(block)
      readable.add(block)
    } catch (cause) {
      throw broken(messageOf(cause), cause)
    }
  }
  return found
}

/** The file with these blocks in place of its own. */
export function withTrust(dir: string, { kind, path }: TrustTarget, members: readonly string[]): string {
  const pem = members.join('')
  return kind === 'kubeconfig' ? withCertificateAuthority(readThere(dir, path), pem) : pem
}

export const blocks = (pem: string, label: string): string[] =>
  (pem.match(new RegExp(`-----BEGIN ${label}-----[^-]+-----END ${label}-----`, 'g')) ?? []).map(block => `${block}\n`)

export const sameBlock = (a: string, b: string): boolean => a.replaceAll(/\s/g, '') === b.replaceAll(/\s/g, '')
export const has = (members: readonly string[], block: string): boolean =>
  members.some(member => sameBlock(member, block))
