/** PKI plans: read from YAML, checked, changed. */
import { readdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { messageOf, nearest, TrustplaneError } from '#errors.ts'
import { merge, type Section, sections } from './changes.ts'
import type { Finding } from './check-plan.ts'
import { changes as validateChanges, plan as validatePlan } from './gen/plan-validator.js'
import { packageRoot } from './package-root.ts'
import { resolvePlan } from './resolve.ts'
import type { Plan, PlanChanges, PlanDocument } from './types.ts'
import {
  type Path,
  type PlacedProblem,
  parseYaml,
  problemsError,
  schemaProblems,
  type YamlDocument,
} from './yaml-document.ts'

/** A plan of certs/ by its name. */
export const packagedPlan = (name: string) => join(packageRoot(), 'certs', `${name}.yaml`)

/**
 * Reads a plan: which authorities there are, what they sign, and who trusts whom.
 * @example
 * const plan = await loadPlan('intermediates')
 * @param where a file, a file: URL, or the bare name of a plan in certs/ (`kubeadm`)
 * @throws TrustplaneError TP_FILE_UNREADABLE, TP_PLAN_INVALID (every problem with file, line and column)
 */
export async function loadPlan(where: string | URL = 'kubeadm'): Promise<Plan> {
  if (typeof where === 'string' && /^[\w-]+$/.test(where)) return loadPackaged(where)
  const file = where instanceof URL || where.startsWith('file:') ? fileURLToPath(where) : where
  return parsePlan(await readPlan(file), file)
}

/** Those in certs/ are trustplane's own, and stay as they are: read once. Nobody writes into a plan (see applyChanges). */
const packaged = new Map<string, Promise<Plan>>()

function loadPackaged(name: string): Promise<Plan> {
  let plan = packaged.get(name)
  if (!plan) {
    const file = packagedPlan(name)
    plan = readPlan(file).then(text => parsePlan(text, file))
    packaged.set(name, plan)
    // one that is not there may have been put there when it is asked for again
    plan.catch(() => packaged.delete(name))
  }
  return plan
}

/** @param file for messages, and for what `extends` is relative to */
export async function parsePlan(text: string, file: string): Promise<Plan> {
  const sources: Source[] = []
  const document = await readDocument(text, file, sources)
  return resolved(document, file, sources)
}

/** A plan from data that was a valid plan's `document` once. */
export function planOf(document: PlanDocument, file: string): Plan {
  const problems: PlacedProblem[] = []
  const plan = resolvePlan(document, file, ({ message }) => problems.push({ file, message }))
  if (problems.length > 0) throw problemsError('TP_PLAN_INVALID', problems)
  return plan
}

/**
 * The plan with changes to it; the plan itself stays as it is.
 * @example
 * await applyChanges(plan, { certificates: { apiserver: { notAfter: '-1d' } } })
 * @param file where the changes stand, for messages
 * @throws TrustplaneError TP_PLAN_INVALID
 */
export async function applyChanges(plan: Plan, changes: PlanChanges, file = 'changes'): Promise<Plan> {
  const problems = schemaProblems(validateChanges, changes).map(
    ({ path, message }): PlacedProblem => ({ file, message: `${path.join('.')}: ${message}` }),
  )
  if (problems.length > 0) throw problemsError('TP_PLAN_INVALID', problems)
  const document = merge(plan.document, changes, (section, name, message) => {
    problems.push({ file, message: `${section}.${name}: ${message}` })
  })
  const changed = resolvePlan(document, plan.file, ({ section, name, field, message }) => {
    problems.push({ file, message: `${[section, name, field].filter(Boolean).join('.')}: ${message}` })
  })
  if (problems.length > 0) throw problemsError('TP_PLAN_INVALID', problems)
  return changed
}

interface Source {
  yaml: YamlDocument
  document: PlanDocument
}

/** The plan as written, with those it extends merged in. `sources`: this file first. */
async function readDocument(text: string, file: string, sources: Source[]): Promise<PlanDocument> {
  const yaml = parseYaml(text, file, 'TP_PLAN_INVALID')
  const document = readable(yaml)
  const problems = schemaProblems(validatePlan, document).map(
    ({ path, message, atKey }): PlacedProblem => ({ file, ...yaml.position(path, atKey), message }),
  )
  const self = resolve(file)
  if (sources.some(source => resolve(source.yaml.file) === self)) {
    problems.push({ file, ...yaml.position(['extends']), message: 'this plan extends, in the end, itself' })
  }
  if (problems.length > 0) throw problemsError('TP_PLAN_INVALID', problems)
  const written = document as PlanDocument
  sources.push({ yaml, document: written })
  if (written.extends === undefined && written.changes === undefined) return written
  const base = written.extends === undefined ? {} : await readBase(written.extends, yaml, sources)
  const { extends: _, changes, ...own } = written
  const merged = merge(
    { ...base, name: basename(file).replace(/\.ya?ml$/, ''), ...own },
    changes ?? {},
    (section, name, message) => {
      problems.push({ file, ...yaml.position(['changes', section, name], true), message })
    },
  )
  if (problems.length > 0) throw problemsError('TP_PLAN_INVALID', problems)
  return merged
}

async function readBase(name: string, yaml: YamlDocument, sources: Source[]): Promise<PlanDocument> {
  const file = resolve(dirname(yaml.file), name)
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    const message = `cannot read the plan that this one extends, ${file}: ${messageOf(cause)}`
    throw problemsError('TP_PLAN_INVALID', [{ file: yaml.file, ...yaml.position(['extends']), message }])
  }
  return readDocument(text, file, sources)
}

/** `kubernetesVersion: 1.30` without quotes is the number 1.3 to YAML: take what was written. */
function readable(yaml: YamlDocument): unknown {
  const value = yaml.value ?? {}
  for (const path of [['kubernetesVersion'], ['changes', 'kubernetesVersion']]) {
    const owner = (path.length === 1 ? value : (value as PlanDocument).changes) as Record<string, unknown> | undefined
    const source = yaml.source(path)
    if (typeof owner?.kubernetesVersion === 'number' && source) owner.kubernetesVersion = source
  }
  return value
}

function resolved(document: PlanDocument, file: string, sources: readonly Source[]): Plan {
  const problems: PlacedProblem[] = []
  const plan = resolvePlan(document, file, finding => {
    problems.push({ ...placeOf(finding, sources), message: finding.message })
  })
  if (problems.length > 0) throw problemsError('TP_PLAN_INVALID', problems)
  return plan
}

/** The most exact place of a finding: in this file's changes, in its own rows, or in the plan that it extends. */
function placeOf(finding: Finding, sources: readonly Source[]): { file: string; line: number; column: number } {
  const { section, name, field, index } = finding
  const tail = [field, index].filter(part => part !== undefined)
  const candidates = sources.flatMap(({ yaml, document }) => {
    const paths: Path[] = [['changes', section, ...(name ? [name] : []), ...tail]]
    if ((sections as readonly string[]).includes(section)) {
      const rows = document[section as Section] ?? []
      const row = rows.findLastIndex(candidate => candidate.name === name)
      if (row >= 0) paths.push([section, row, ...tail])
    } else paths.push([section, ...(name ? [name] : []), ...tail])
    return paths.map(path => ({ yaml, path }))
  })
  const exact =
    candidates.find(({ yaml, path }) => yaml.has(path)) ??
    candidates.find(({ yaml, path }) => yaml.has(path.slice(0, path.length - tail.length))) ??
    candidates[0]!
  return { file: exact.yaml.file, ...exact.yaml.position(exact.path) }
}

async function readPlan(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    const names = readdirSync(join(packageRoot(), 'certs')).filter(name => name.endsWith('.yaml'))
    const near = nearest(
      basename(file, '.yaml'),
      names.map(name => basename(name, '.yaml')),
    )
    throw new TrustplaneError('TP_FILE_UNREADABLE', `cannot read the PKI plan ${file}: ${messageOf(cause)}`, {
      fix: near ? `did you mean ${near}?` : `give a YAML file, or the name of one in ${join(packageRoot(), 'certs')}`,
      cause,
    })
  }
}
