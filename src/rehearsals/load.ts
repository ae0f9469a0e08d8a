/** Reads a rehearsal's file: every problem at once, with line, column and the nearest known word. Nothing is started before. */
import { existsSync, readdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { messageOf, nearest, TrustplaneError } from '#errors.ts'
import { applyChanges, loadPlan, packagedPlan } from '#pki/plan.ts'
import { trustSlotNames } from '#pki/trust-slots.ts'
import type { Plan, PlanChanges } from '#pki/types.ts'
import { type Path, type PlacedProblem, parseYaml, problemsError, schemaProblems } from '#pki/yaml-document.ts'
import { type ActionName, findAction, type TargetKind } from './actions.ts'
import { onEveryMember, trustTarget } from './bundles.ts'
import { rereadOf, watchedNames } from './rereads.ts'
import type { Rehearsal, RehearsalDocument, Replaced, Step, WrongDocument } from './types.ts'

/** @throws TrustplaneError TP_FILE_UNREADABLE, TP_REHEARSAL_INVALID with every problem */
export async function loadRehearsal(file: string): Promise<Rehearsal> {
  const text = await readFile(file, 'utf8').catch(cause => {
    throw new TrustplaneError('TP_FILE_UNREADABLE', `cannot read ${file}: ${messageOf(cause)}`, { cause })
  })
  return parseRehearsal(text, file)
}

export async function parseRehearsal(text: string, file: string): Promise<Rehearsal> {
  const yaml = parseYaml(text, file, 'TP_REHEARSAL_INVALID')
  const problems: PlacedProblem[] = []
  const problem = (path: Path, message: string, atKey = false) => {
    problems.push({ file, ...yaml.position(path, atKey), message })
  }
  // loaded late: it is a large one
  const { validate } = await import('./validator.ts')
  const value = yaml.value ?? {}
  for (const { path, message, atKey } of schemaProblems(validate, value)) problem(path, message, atKey)
  const fail = () =>
    problemsError(
      'TP_REHEARSAL_INVALID',
      problems,
      'mend what is named, with scenarios/rehearsals/rehearsal.schema.json in your editor',
    )
  // what the schema cannot know needs the shape that the schema asks for
  if (problems.length > 0) throw fail()
  const document = value as RehearsalDocument
  const plan = await planOf(document, problem)
  if (!plan) throw fail()
  const target = await changed(plan, document.becomes, ['becomes'], problem)
  const replaces = (document.replaces ?? []).flatMap((one, index): Replaced[] => {
    const replaced = { old: one.old, new: one.new ?? one.old }
    const known = replaceable(plan)
    const unknown = (word: string, key: 'old' | 'new', names: readonly string[]) =>
      problem(
        ['replaces', index, key],
        `no authority, self-signed certificate or key pair ${JSON.stringify(word)}${hint(word, names)}`,
      )
    if (!known.includes(replaced.old)) unknown(replaced.old, 'old', known)
    else if (target && !replaceable(target).includes(replaced.new)) unknown(replaced.new, 'new', replaceable(target))
    const has = (rows: readonly { name: string }[]) => rows.some(row => row.name === replaced.old)
    const kind = has(plan.authorities) ? 'authority' : has(plan.keyPairs) ? 'keyPair' : 'certificate'
    return [{ ...replaced, kind }]
  })
  const names = document.steps.map(step => step.name)
  names.forEach((name, index) => {
    if (names.indexOf(name) !== index) problem(['steps', index, 'name'], `there are two steps ${JSON.stringify(name)}`)
  })
  const stepName = (word: string | undefined, path: Path) => {
    if (word === undefined || names.includes(word)) return
    problem(path, `no step ${JSON.stringify(word)}${hint(word, names)}`)
  }
  const wrong = (one: WrongDocument, path: Path) => {
    stepName(one.at, [...path, 'at'])
    stepName(one.stops, [...path, 'stops'])
    const ways = [one.breaks, one.stops, one.harmless].filter(way => way !== undefined).length
    if (ways !== 1) problem(path, 'say one of `breaks` (with `at`), `stops` or `harmless`')
    else if (one.breaks && !one.at) problem(path, 'after which step do they break? `at` is missing')
    else if (!one.harmless && !one.why) problem(path, '`why` is missing')
  }
  document.steps.forEach((step, index) => {
    for (const [at, action] of step.do.entries()) {
      const [[name, words]] = Object.entries(action) as [[string, string | string[]]]
      const { kind } = findAction(name)!
      for (const [position, word] of [words].flat().entries()) {
        const why = problemWith(kind, word, plan, target ?? plan, replaces)
        const path: Path = ['steps', index, 'do', at, name]
        if (why) problem(Array.isArray(words) ? [...path, position] : path, why)
      }
    }
    wrong(step.whenSkipped, ['steps', index, 'whenSkipped'])
  })
  document.wrongOrders?.forEach((one, index) => {
    one.swap.forEach((word, at) => {
      stepName(word, ['wrongOrders', index, 'swap', at])
    })
    wrong(one, ['wrongOrders', index])
  })
  if (problems.length > 0 || !target) throw fail()
  return {
    name: basename(file).replace(/\.ya?ml$/, ''),
    file,
    title: document.title.trim(),
    story: document.story.trim(),
    sources: [document.source ?? []].flat(),
    plan,
    target,
    ...(document.becomes ? { becomes: document.becomes } : {}),
    without: document.given?.without ?? [],
    replaces,
    steps: document.steps.map(
      (step): Step => ({
        name: step.name,
        does: step.does.trim(),
        ...(step.source ? { source: step.source } : {}),
        actions: step.do.map(action => {
          const [[name, words]] = Object.entries(action) as [[ActionName, string | string[]]]
          return { name, targets: onEveryMember(plan, [words].flat()) }
        }),
        whenSkipped: step.whenSkipped,
      }),
    ),
    wrongOrders: document.wrongOrders ?? [],
  }
}

/** ClusterRoleBindings that `bind` knows how to make. */
const bindings = ['kubeadm:apiserver-kubelet-client']

/** Why a target cannot be meant, or undefined. */
function problemWith(
  kind: TargetKind,
  word: string,
  plan: Plan,
  target: Plan,
  replaces: readonly Replaced[],
): string | undefined {
  const unknown = (what: string, known: readonly string[]) =>
    known.includes(word) ? undefined : `no ${what} ${JSON.stringify(word)}${hint(word, known)}`
  const named = (rows: readonly { name: string }[]) => rows.map(row => row.name)
  switch (kind) {
    case 'replaced':
      return unknown(
        'entry of `replaces`',
        replaces.map(one => one.new),
      )
    case 'leaf':
      return unknown('certificate or kubeconfig', [
        ...named(target.certificates.filter(row => row.issuer !== 'self')),
        ...named(target.kubeconfigs),
      ])
    case 'slot':
      return unknown('trust slot', trustSlotNames)
    case 'binding':
      return unknown('ClusterRoleBinding of kubeadm', bindings)
    case 'trust': {
      const known = [...Object.keys(plan.trust), ...named(plan.kubeconfigs), ...named(plan.keyPairs)]
      const place = known.includes(word) ? trustTarget(plan, word) : undefined
      if (!place) return unknown('trust slot, kubeconfig or key pair', known)
      if (place.names.some(name => replaces.some(one => one.old === name))) return undefined
      return `${word} trusts ${place.names.join(' and ')}, and nothing of \`replaces\``
    }
    case 'watched': {
      const found = rereadOf(word)
      if (found?.reread === 'watch') return undefined
      if (found)
        return `${word} is not watched: ${found.component} reads it ${found.reread === 'start' ? 'only when it starts: `restart` it' : 'whenever it is used'}`
      return unknown('watched file', watchedNames)
    }
    default:
      return undefined
  }
}

const replaceable = (plan: Plan): string[] =>
  [...plan.authorities, ...plan.certificates.filter(row => row.issuer === 'self'), ...plan.keyPairs].map(
    row => row.name,
  )

async function planOf(
  { given = {} }: RehearsalDocument,
  problem: (path: Path, message: string) => void,
): Promise<Plan | undefined> {
  const name = given.plan ?? 'kubeadm'
  if (!existsSync(packagedPlan(name))) {
    const known = readdirSync(dirname(packagedPlan('x')))
      .filter(file => file.endsWith('.yaml'))
      .map(file => file.slice(0, -5))
    problem(['given', 'plan'], `no plan ${JSON.stringify(name)}${hint(name, known)}`)
    return undefined
  }
  const plan = await changed(await loadPlan(name), given.changes, ['given', 'changes'], problem)
  return plan && applyChanges(plan, { ownTrustFiles: true })
}

async function changed(
  plan: Plan,
  changes: object | undefined,
  path: Path,
  problem: (path: Path, message: string) => void,
): Promise<Plan | undefined> {
  if (!changes) return plan
  try {
    return await applyChanges(plan, changes as PlanChanges)
  } catch (error) {
    for (const line of messageOf(error).split('\n')) problem(path, line.replace(/^changes: /, ''))
    return undefined
  }
}

const hint = (word: string, known: readonly string[]) => {
  const near = nearest(word, known)
  return near ? `, did you mean ${JSON.stringify(near)}?` : `; known: ${known.join(', ')}`
}
