/**
 * A PKI on disk. As kubeadm's phases do: what is there and fits is kept ("Using existing …"), what is missing is made, and a key is
 * never written over unless told to.
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type Clock, systemClock } from '#clock.ts'
import { recover, writeAnew, writeTogether } from './atomic-write.ts'
import { type Existing, readExisting, readIfThere } from './existing.ts'
import { issuePki } from './issue.ts'
import { withLock } from './lock.ts'
import { applyChanges } from './plan.ts'
import { planRecord, renderPlanRecord } from './plan-record.ts'
import type { PkiFiles, Plan, PlanChanges } from './types.ts'

export interface CreateOptions {
  plan: Plan
  dir: string
  clock?: Clock
  /** Make everything anew, over what is there. */
  force?: boolean
  /** Changes to the plan, for this time. */
  overrides?: PlanChanges
  /** The folder is new, and goes with this process: nobody else writes there, nothing is kept, and nothing need outlive a crash. */
  temporary?: boolean
}

interface CreatedFile {
  /** Relative to the state directory. */
  file: string
  notAfter?: Date
}

export interface Created {
  /** The plan, with the overrides in it. */
  plan: Plan
  written: CreatedFile[]
  /** Names of entries that were there already. */
  kept: string[]
  /** Authorities whose certificate is there without its key: somebody else signs. */
  external: string[]
}

/**
 * Writes a PKI as kubeadm does: what is missing is made, what is there stays.
 * @example
 * const { written } = await createPki({ plan: await loadPlan('k3s'), dir: '/tmp/pki' })
 * @throws TrustplaneError TP_PKI_EXISTS, TP_PKI_CA_KEY_MISSING, TP_PKI_LOCKED, TP_FILE_UNREADABLE, TP_PLAN_INVALID
 */
export async function createPki(options: CreateOptions): Promise<Created> {
  const { overrides } = options
  const plan = overrides ? await applyChanges(options.plan, overrides) : options.plan
  // changed rows are this time's faults; what is remembered, and mends them, is the plan as it was meant
  const record = renderPlanRecord(await applyChanges(options.plan, parametersOf(overrides ?? {})))
  // what is wrong with the folder is said when something is written to it
  await mkdir(options.dir, { recursive: true, mode: 0o700 }).catch(() => {})
  if (options.temporary) return createAnew(plan, record, options)
  return withLock(options.dir, () => create(plan, record, options))
}

/** A quarter of the time that it takes where lock, sync and journal have to be. */
async function createAnew(plan: Plan, record: string, { dir, clock = systemClock }: CreateOptions): Promise<Created> {
  const files = await issuePki(plan, clock)
  const written = [...files].map(([file, { notAfter }]) => (notAfter ? { file, notAfter } : { file }))
  await writeAnew(dir, files.set(planRecord, { content: record, mode: 0o644 }))
  return { plan, written, kept: [], external: [] }
}

async function create(
  plan: Plan,
  record: string,
  { dir, clock = systemClock, force = false }: CreateOptions,
): Promise<Created> {
  await recover(dir)
  const nothing: Existing = { files: new Map(), moved: new Map(), kept: [], external: [] }
  const existing = force ? nothing : await readExisting(plan, dir)
  const files = await issuePki(plan, clock, existing.files)
  await leaveOutUnchanged(dir, files)
  for (const [path, file] of existing.moved) files.set(path, file)
  const written = [...files].map(([file, { notAfter }]) => (notAfter ? { file, notAfter } : { file }))
  if ((await readIfThere(join(dir, planRecord))) !== record) files.set(planRecord, { content: record, mode: 0o644 })
  await writeTogether(dir, files)
  return { plan, written, kept: existing.kept, external: existing.external }
}

function parametersOf(changes: PlanChanges): PlanChanges {
  const { authorities, certificates, kubeconfigs, keyPairs, trust, ...parameters } = changes
  return parameters
}

/** Files without secrets that come out the same (trust bundles) need no writing. */
async function leaveOutUnchanged(dir: string, files: PkiFiles): Promise<void> {
  for (const [path, { content }] of files) {
    if (path.startsWith('trust/') && (await readIfThere(join(dir, path))) === content) files.delete(path)
  }
}
