/** Reads scenario files: every problem of every file at once, with line, column and the nearest known word. Nothing is started before. */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, dirname, relative, resolve } from 'node:path'
import { messageOf, nearest, TrustplaneError } from '#errors.ts'
import { nodesOf } from '#mesh/layout.ts'
import { applyChanges, loadPlan, packagedPlan } from '#pki/plan.ts'
import type { Plan, PlanChanges, RowDocument } from '#pki/types.ts'
import { type Path, type PlacedProblem, parseYaml, problemsError, schemaProblems } from '#pki/yaml-document.ts'
import {
  checkAttributes,
  checkRows,
  checkStep,
  checkValue,
  didYouMean,
  entriesOf,
  isMap,
  knownPlans,
  type Report,
} from './check.ts'
import { findFault } from './faults/index.ts'
import { packagedScenarios } from './find.ts'
import { changesIn, givenBy } from './given.ts'
import { changesOf } from './performers/issue.ts'
import type { FaultAttributes, GivenDocument, NoticeAttributes, Scenario, ScenarioDocument, Step } from './types.ts'
import { undone } from './undone.ts'

/**
 * Reads scenarios.
 * @example
 * const scenarios = await loadScenarios(findScenarioFiles(['etcd']))
 * @throws TrustplaneError TP_SCENARIO_INVALID with every problem of every file
 */
export async function loadScenarios(files: readonly string[]): Promise<Scenario[]> {
  const problems: PlacedProblem[] = []
  const scenarios: Scenario[] = []
  for (const file of files) {
    const text = await readFile(file, 'utf8').catch(cause => {
      throw new TrustplaneError('TP_FILE_UNREADABLE', `cannot read ${file}: ${messageOf(cause)}`, { cause })
    })
    scenarios.push(...(await parseScenario(text, file, problem => problems.push(problem))))
  }
  if (problems.length > 0) throw grouped(problems)
  return scenarios
}

/** One file's problems after the other's, each in the order of its lines. */
function grouped(problems: readonly PlacedProblem[]): TrustplaneError {
  const errors = [...Map.groupBy(problems, problem => problem.file).values()].map(ofFile =>
    problemsError('TP_SCENARIO_INVALID', ofFile),
  )
  const { at } = errors[0]!
  return new TrustplaneError('TP_SCENARIO_INVALID', errors.map(error => error.message).join('\n'), {
    fix: 'mend what is named, with scenarios/scenario.schema.json in your editor',
    ...(at ? { at } : {}),
  })
}

/** Empty when there was a problem. */
async function parseScenario(
  text: string,
  file: string,
  report: (problem: PlacedProblem) => void,
): Promise<Scenario[]> {
  const wrong: Path[] = []
  let yaml: ReturnType<typeof parseYaml>
  try {
    yaml = parseYaml(text, file, 'TP_SCENARIO_INVALID')
  } catch (error) {
    const { at } = error as TrustplaneError
    const message = messageOf(error).replace(/^.*?:\d+:\d+: /, '')
    report({ file, ...(at?.line ? { line: at.line } : {}), ...(at?.column ? { column: at.column } : {}), message })
    return []
  }
  const problem = (path: Path, message: string, atKey = false) => {
    wrong.push(path)
    report({ file, ...yaml.position(path, atKey), message })
  }
  // loaded late: it is a large one
  const { validate } = await import('./validator.ts')
  const value = (yaml.value ?? {}) as ScenarioDocument
  for (const { path, message, atKey } of schemaProblems(validate, value)) problem(path, message, atKey)
  // what the schema cannot know is looked at wherever the shape allows it, so that everything is said at once
  const given: Record<string, unknown> = isMap(value.given) ? { ...value.given } : {}
  const planName = typeof given.plan === 'string' ? given.plan : 'kubeadm'
  const base = await planOf(planName, message => problem(['given', 'plan'], message))
  if (!base) return []
  const faults = entriesOf(given.faults, ['given', 'faults'])
  const steps = entriesOf(value.steps, ['steps'])
  const fix = entriesOf(value.fix, ['fix'])
  const plan = withRowsOf(base, given)
  for (const { name, value: attributes, path } of faults) {
    checkAttributes(findFault(name)?.attributes, attributes, path, plan, problem)
  }
  for (const section of ['authorities', 'certificates', 'kubeconfigs']) {
    checkRows(given[section], ['given', section], plan, problem)
  }
  checkValue('trust', given.trust, ['given', 'trust'], plan, problem)
  for (const { name, value: inner, path } of [...steps, ...fix]) checkStep(name, inner, path, plan, problem)
  checkValue('notices', value.notices, ['notices'], plan, problem)
  const { plan: _, nodes = 1, faults: __, ...more } = (value.given ?? {}) as GivenDocument
  const broken = faults.map(({ name, value: attributes }) => ({ name, attributes: attributes as FaultAttributes }))
  const shapeless = wrong.length > 0
  const known = [...wrong]
  // of what is wrong already the plan would only say it once more
  const unsaid: Report = (path, message) => {
    if (!known.some(other => isWithin(path, other) || isWithin(other, path))) problem(path, message)
  }
  try {
    await tryChanges(base, broken, more, [...steps, ...fix], unsaid)
  } catch (error) {
    // a file of another shape than a scenario's: that has been said
    if (!shapeless) throw error
  }
  if (wrong.length > 0) return []
  return [
    {
      name: basename(file).replace(/\.ya?ml$/, ''),
      file,
      group: groupOf(file),
      title: value.title.trim(),
      story: value.story.trim(),
      sources: [value.source ?? []].flat(),
      practice: value.practice ?? {},
      plan: planName,
      nodes,
      faults: broken,
      more,
      steps: steps.map(stepOf),
      expect: value.expect,
      notices: entriesOf(value.notices, []).map(noticeOf),
      fix: value.fix ? fix.map(stepOf) : undone(broken, more),
    },
  ]
}

const isWithin = (inner: Path, outer: Path) => outer.every((part, index) => inner[index] === part)

const stepOf = ({ name, value }: { name: string; value: unknown }): Step =>
  typeof value === 'string' || (Array.isArray(value) && value.every(one => typeof one === 'string'))
    ? { name, targets: [value].flat() as string[] }
    : { name, targets: [], value }

const noticeOf = ({ name, value }: { name: string; value: unknown }) => ({
  name,
  attributes: value as NoticeAttributes,
})

/** The plan's names, and those that `given` adds; the nodes are those of the mesh. */
function withRowsOf(plan: Plan, given: Record<string, unknown>): Plan {
  const added = <T extends { name: string }>(rows: readonly T[], section: unknown): T[] => [
    ...rows,
    ...Object.keys(isMap(section) ? section : {}).map(name => ({ name }) as T),
  ]
  const count = typeof given.nodes === 'number' ? given.nodes : 1
  return {
    ...plan,
    cluster: { ...plan.cluster, nodes: nodesOf(count) },
    authorities: added(plan.authorities, given.authorities),
    certificates: added(plan.certificates, given.certificates),
    kubeconfigs: added(plan.kubeconfigs, given.kubeconfigs),
  }
}

/** What the plan itself has to say: of `given`, of the faults on top of it, and of every certificate that a step replaces. */
async function tryChanges(
  plan: Plan,
  faults: Scenario['faults'],
  more: GivenDocument,
  steps: readonly { name: string; value: unknown; path: Path }[],
  problem: Report,
): Promise<void> {
  const attempt = async (base: Plan, changes: PlanChanges, place: (words: string) => Path): Promise<Plan> => {
    try {
      return await applyChanges(base, changes)
    } catch (error) {
      for (const line of messageOf(error).split('\n')) {
        const words = line.replace(/^changes: /, '')
        problem(place(words), words)
      }
      return base
    }
  }
  const changed = await attempt(plan, changesIn(more), words => placeIn(more, words))
  if (faults.length > 0) {
    await attempt(changed, givenBy(faults, {}).changes, () => ['given', 'faults'])
  }
  let now = changed
  for (const { name, value, path } of steps) {
    if (name !== 'replace') continue
    now = await attempt(now, changesOf(now, value as Record<string, RowDocument>), () => path)
  }
}

/** `certificates.apiserver.issuer: …` → where that stands under `given`. */
function placeIn(more: GivenDocument, words: string): Path {
  const candidates = Object.entries(more).flatMap(([section, rows]) => [
    [section],
    ...Object.entries(isMap(rows) ? rows : {}).flatMap(([name, fields]) => [
      [section, name],
      ...Object.keys(isMap(fields) ? fields : {}).map(field => [section, name, field]),
    ]),
  ])
  const fitting = candidates.filter(path => words.startsWith(path.join('.')))
  return ['given', ...(fitting.toSorted((a, b) => b.length - a.length)[0] ?? [])]
}

async function planOf(name: string, report: (message: string) => void): Promise<Plan | undefined> {
  if (existsSync(packagedPlan(name))) return loadPlan(name)
  report(`no plan ${JSON.stringify(name)}${didYouMean(name, knownPlans())}`)
  // the rest of the file is looked at by the plan that was meant
  const meant = nearest(name, knownPlans())
  return meant === undefined ? undefined : loadPlan(meant)
}

/** The folder below the packaged scenarios, or the folder's name. */
function groupOf(file: string): string {
  const below = relative(packagedScenarios(), dirname(file))
  return below.startsWith('..') ? basename(dirname(resolve(file))) : below
}
