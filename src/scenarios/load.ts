/** Reads scenario files: every problem of every file at once, with line, column and the nearest known word. Nothing is started before. */
import { existsSync, readdirSync, statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, dirname, join, relative } from 'node:path'
import type { ValidateFunction } from 'ajv'
import { messageOf, nearest, TrustplaneError } from '#errors.ts'
import { packageRoot } from '#pki/package-root.ts'
import { loadPlan, packagedPlan } from '#pki/plan.ts'
import type { Plan } from '#pki/types.ts'
import { type Path, type PlacedProblem, parseYaml, problemsError, schemaProblems } from '#pki/yaml-document.ts'
import type { AttributeKind } from './faults/fault.ts'
import { findFault } from './faults/index.ts'
import { scenarioSchema } from './schema.ts'
import { steps as stepTable } from './steps.ts'
import type { Scenario, ScenarioDocument, Step, StepDocument } from './types.ts'

/** The scenarios that come with trustplane. */
export const packagedScenarios = (): string => join(packageRoot(), 'scenarios')

/**
 * Files, folders (with all below them), or names of packaged scenarios; in the order given, each once.
 * @throws TrustplaneError TP_NAME_UNKNOWN
 */
export function findScenarioFiles(paths: readonly string[] = [packagedScenarios()]): string[] {
  return [...new Set(paths.flatMap(filesOf))]
}

function filesOf(path: string): string[] {
  if (existsSync(path)) {
    if (!statSync(path).isDirectory()) return [path]
    return (readdirSync(path, { recursive: true }) as string[])
      .filter(name => /\.ya?ml$/.test(name))
      .sort()
      .map(name => join(path, name))
  }
  const packaged = (readdirSync(packagedScenarios(), { recursive: true }) as string[]).filter(name =>
    name.endsWith('.yaml'),
  )
  const byName = new Map(
    packaged.flatMap(file => [
      [basename(file, '.yaml'), file],
      [file.slice(0, -5), file],
    ]),
  )
  const found = byName.get(path)
  if (found) return [join(packagedScenarios(), found)]
  const near = nearest(path, byName.keys())
  throw new TrustplaneError('TP_NAME_UNKNOWN', `no scenario, file or folder ${JSON.stringify(path)}`, {
    fix: near ? `did you mean ${near}?` : 'see `trustplane run --list`',
  })
}

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
  for (const { path, message, atKey } of schemaProblems(await validator(), yaml.value ?? {}))
    problem(path, message, atKey)
  if (faulty) return []
  const document = yaml.value as ScenarioDocument
  const planName = document.given?.plan ?? 'kubeadm'
  if (!existsSync(packagedPlan(planName))) {
    const known = readdirSync(dirname(packagedPlan('x')))
      .filter(name => name.endsWith('.yaml'))
      .map(name => name.slice(0, -5))
    problem(['given', 'plan'], `no plan ${JSON.stringify(planName)}${didYouMean(planName, known)}`)
    return []
  }
  const plan = await loadPlan(planName)
  const check = (kind: AttributeKind, value: string | string[], path: Path) => {
    for (const [index, word] of [value].flat().entries()) {
      const known = knownWords(kind, plan)
      if (known && !known.includes(word)) {
        problem(
          Array.isArray(value) ? [...path, index] : path,
          `no ${kind.replace(/ies$/, 'y')} ${JSON.stringify(word)}${didYouMean(word, known)}`,
        )
      }
    }
  }
  const faults = (document.given?.faults ?? []).map((entry, index) => {
    const [name, attributes] = Object.entries(entry)[0]!
    for (const [key, value] of Object.entries(attributes)) {
      check(findFault(name)!.attributes[key]!.kind, value, ['given', 'faults', index, name, key])
    }
    return { name, attributes }
  })
  const stepsOf = (section: 'steps' | 'fix', entries: readonly StepDocument[] = []): Step[] =>
    entries.map((entry, index) => {
      const [name, value] = Object.entries(entry)[0]!
      check(stepTable.find(step => step.name === name)!.kind, value, [section, index, name])
      return { name, targets: [value].flat() }
    })
  const steps = stepsOf('steps', document.steps)
  const fix = document.fix
    ? stepsOf('fix', document.fix)
    : faults.toReversed().flatMap(({ name, attributes }) => findFault(name)!.undo(attributes))
  if (faulty) return []
  return [
    {
      name: basename(file).replace(/\.ya?ml$/, ''),
      file,
      group: groupOf(file),
      title: document.title.trim(),
      story: document.story.trim(),
      sources: [document.source ?? []].flat(),
      plan: planName,
      nodes: document.given?.nodes ?? 1,
      faults,
      steps,
      expect: document.expect,
      fix,
    },
  ]
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
