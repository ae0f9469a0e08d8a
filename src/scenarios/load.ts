/** Reads scenario files: every problem of every file at once, with line, column and the nearest known word. Nothing is started before. */
import { existsSync, readdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, dirname, relative } from 'node:path'
import type { ValidateFunction } from 'ajv'
import { messageOf, nearest, TrustplaneError } from '#errors.ts'
import { applyChanges, loadPlan, packagedPlan } from '#pki/plan.ts'
import type { Plan } from '#pki/types.ts'
import { type Path, type PlacedProblem, parseYaml, problemsError, schemaProblems } from '#pki/yaml-document.ts'
import type { AttributeKind } from './faults/fault.ts'
import { findFault } from './faults/index.ts'
import { packagedScenarios } from './find.ts'
import { givenBy } from './given.ts'
import { scenarioSchema } from './schema.ts'
import { steps as stepTable } from './steps.ts'
import type { FaultAttributes, Scenario, ScenarioDocument, Step } from './types.ts'

/** @throws TrustplaneError TP_SCENARIO_INVALID with every problem of every file */
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
  let faulty = false
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
    faulty = true
    report({ file, ...yaml.position(path, atKey), message })
  }
  const value = (yaml.value ?? {}) as ScenarioDocument
  for (const { path, message, atKey } of schemaProblems(await validator(), value)) problem(path, message, atKey)
  // what the schema cannot know is looked at wherever the shape allows it, so that everything is said at once
  const document = shapeOf(value)
  const plan = await planOf(document.plan, message => problem(['given', 'plan'], message))
  const check = (kind: AttributeKind | undefined, word: unknown, path: Path) => {
    for (const [index, one] of [word].flat().entries()) {
      const known = kind && plan && knownWords(kind, plan)
      if (known && typeof one === 'string' && !known.includes(one)) {
        const what = kind.replace(/ies$/, 'y')
        problem(
          Array.isArray(word) ? [...path, index] : path,
          `no ${what} ${JSON.stringify(one)}${didYouMean(one, known)}`,
        )
      }
    }
  }
  for (const { name, attributes, path } of document.faults) {
    for (const [key, word] of Object.entries(attributes))
      check(findFault(name)?.attributes[key]?.kind, word, [...path, key])
  }
  for (const { name, targets, path } of [...document.steps, ...document.fix]) {
    check(stepTable.find(step => step.name === name)?.kind, targets, path)
  }
  if (faulty || !plan) return []
  const stepsOf = (entries: typeof document.steps): Step[] =>
    entries.map(({ name, targets }) => ({ name, targets: [targets].flat() as string[] }))
  const faults = document.faults.map(({ name, attributes }) => ({ name, attributes: attributes as FaultAttributes }))
  await applyChanges(plan, givenBy(faults).changes).catch(error => {
    for (const line of messageOf(error).split('\n')) problem(['given', 'faults'], line.replace(/^changes: /, ''))
  })
  if (faulty) return []
  const undone = faults.toReversed().flatMap(({ name, attributes }) => findFault(name)!.undo(attributes))
  return [
    {
      name: basename(file).replace(/\.ya?ml$/, ''),
      file,
      group: groupOf(file),
      title: value.title.trim(),
      story: value.story.trim(),
      sources: [value.source ?? []].flat(),
      plan: document.plan,
      nodes: value.given?.nodes ?? 1,
      faults,
      steps: stepsOf(document.steps),
      expect: value.expect,
      fix: value.fix ? stepsOf(document.fix) : undone,
    },
  ]
}

/** The parts that name things of the plan, as far as they have the shape that they should have. */
function shapeOf(value: ScenarioDocument) {
  const entries = (list: unknown, path: Path) =>
    (Array.isArray(list) ? list : []).flatMap((entry: unknown, index) =>
      isMap(entry)
        ? Object.entries(entry).map(([name, inner]) => ({ name, inner, path: [...path, index, name] as Path }))
        : [],
    )
  const given: Record<string, unknown> = isMap(value.given) ? (value.given as Record<string, unknown>) : {}
  const stepsAt = (section: 'steps' | 'fix') =>
    entries(value[section], [section]).map(({ name, inner, path }) => ({ name, targets: inner, path }))
  return {
    plan: typeof given.plan === 'string' ? given.plan : 'kubeadm',
    faults: entries(given.faults, ['given', 'faults']).flatMap(({ name, inner, path }) =>
      isMap(inner) ? [{ name, attributes: inner, path }] : [],
    ),
    steps: stepsAt('steps'),
    fix: stepsAt('fix'),
  }
}

const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

async function planOf(name: string, report: (message: string) => void): Promise<Plan | undefined> {
  if (existsSync(packagedPlan(name))) return loadPlan(name)
  const known = readdirSync(dirname(packagedPlan('x')))
    .filter(file => file.endsWith('.yaml'))
    .map(file => file.slice(0, -5))
  report(`no plan ${JSON.stringify(name)}${didYouMean(name, known)}`)
  return undefined
}

const didYouMean = (word: string, known: readonly string[]) => {
  const near = nearest(word, known)
  return near ? `, did you mean ${JSON.stringify(near)}?` : `; known: ${known.join(', ')}`
}

/** Undefined: anything goes. Components and slots are the schema's to check. */
function knownWords(kind: AttributeKind, plan: Plan): string[] | undefined {
  const names = (rows: readonly { name: string }[]) => rows.map(row => row.name)
  if (kind === 'certificate') return [...names(plan.certificates), ...names(plan.kubeconfigs)]
  if (kind === 'authority') return [...names(plan.authorities), 'self']
  if (kind === 'authorities') return [...names(plan.authorities), ...names(plan.certificates)]
  return undefined
}

/** The folder below the packaged scenarios, or the folder's name. */
function groupOf(file: string): string {
  const below = relative(packagedScenarios(), dirname(file))
  return below.startsWith('..') ? basename(dirname(file)) : below
}

let compiled: Promise<ValidateFunction> | undefined
const validator = () => {
  compiled ??= (async () => {
    const { Ajv2020 } = await import('ajv/dist/2020.js')
    return new Ajv2020({ allErrors: true, verbose: true, strict: false }).compile(scenarioSchema())
  })()
  return compiled
}
