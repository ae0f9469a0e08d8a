/** What the schema cannot know of a scenario file: names of the plan, in every place where one may stand. */
import { readdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { nearest } from '#errors.ts'
import { packagedPlan } from '#pki/plan.ts'
import type { Plan } from '#pki/types.ts'
import type { Path } from '#pki/yaml-document.ts'
import { type AttributeKind, type Attributes, askers } from './attributes.ts'
import { connectionCondition } from './conditions.ts'
import { findFault } from './faults/index.ts'
import { findNotice } from './notices/index.ts'
import { findStep } from './steps.ts'

export type Report = (path: Path, message: string, atKey?: boolean) => void

export const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** One key each: name, value and where it stands. As far as they have the shape that they should have. */
export const entriesOf = (list: unknown, path: Path): { name: string; value: unknown; path: Path }[] =>
  (Array.isArray(list) ? list : []).flatMap((entry: unknown, index) =>
    isMap(entry) ? Object.entries(entry).map(([name, value]) => ({ name, value, path: [...path, index, name] })) : [],
  )

export const didYouMean = (word: string, known: readonly string[]): string => {
  const near = nearest(word, known)
  return near ? `, did you mean ${JSON.stringify(near)}?` : `; known: ${known.join(', ')}`
}

export const knownPlans = (): string[] =>
  readdirSync(dirname(packagedPlan('x')))
    .filter(file => file.endsWith('.yaml'))
    .map(file => file.slice(0, -5))

/** Undefined: anything goes, or the schema has looked already. */
function knownWords(kind: AttributeKind, plan: Plan): string[] | undefined {
  const names = (rows: readonly { name: string }[]) => rows.map(row => row.name)
  const certificates = [...names(plan.certificates), ...names(plan.kubeconfigs)]
  switch (kind) {
    case 'certificate':
      return certificates
    case 'authority':
      return [...names(plan.authorities), 'self']
    case 'authorities':
    case 'trust':
      return [...names(plan.authorities), ...names(plan.certificates)]
    case 'rows':
      return [...certificates, ...names(plan.authorities)]
    case 'who':
      return [...askers, ...certificates]
    case 'node':
      return names(plan.cluster.nodes)
    default:
      return undefined
  }
}

const whatOf: Partial<Record<AttributeKind, string>> = {
  authorities: 'authority',
  trust: 'authority',
  rows: 'certificate or authority',
  who: 'component or certificate',
}

/** Every name of the plan in a value of this kind, and in what stands below it. */
export function checkValue(kind: AttributeKind, value: unknown, path: Path, plan: Plan, report: Report): void {
  const known = knownWords(kind, plan)
  const checkWord = (word: unknown, at: Path, atKey = false) => {
    if (known && typeof word === 'string' && !known.includes(word)) {
      report(at, `no ${whatOf[kind] ?? kind} ${JSON.stringify(word)}${didYouMean(word, known)}`, atKey)
    }
  }
  const checkWords = (words: unknown, at: Path) => {
    if (!Array.isArray(words)) checkWord(words, at)
    else for (const [index, word] of words.entries()) checkWord(word, [...at, index])
  }
  switch (kind) {
    case 'rows':
      for (const name of Object.keys(isMap(value) ? value : {})) checkWord(name, [...path, name], true)
      checkRows(value, path, plan, report)
      break
    case 'trust':
      for (const [slot, names] of Object.entries(isMap(value) ? value : {})) checkWords(names, [...path, slot])
      break
    case 'fault':
      for (const [name, attributes] of Object.entries(isMap(value) ? value : {})) {
        checkAttributes(findFault(name)?.attributes, attributes, [...path, name], plan, report)
      }
      break
    case 'notices':
      for (const { name, value: attributes, path: at } of entriesOf(value, path)) {
        checkAttributes(findNotice(name)?.attributes, attributes, at, plan, report)
      }
      break
    case 'condition':
      checkCondition(value, path, plan, report)
      break
    default:
      checkWords(value, path)
  }
}

/** Fields of rows that name others. What else the plan has to say it says once these are right. */
const namingFields = { issuer: 'authority', chain: 'authorities', trust: 'authorities' } as const

export function checkRows(rows: unknown, path: Path, plan: Plan, report: Report): void {
  for (const [name, fields] of Object.entries(isMap(rows) ? rows : {})) {
    if (!isMap(fields)) continue
    for (const [field, kind] of Object.entries(namingFields)) {
      if (fields[field] !== undefined) checkValue(kind, fields[field], [...path, name, field], plan, report)
    }
  }
}

function checkCondition(value: unknown, path: Path, plan: Plan, report: Report): void {
  if (!isMap(value)) return
  const names = Object.keys(value).filter(key => key !== 'within')
  if (names.length !== 1) report(path, 'one thing to wait for, and perhaps `within`')
  for (const name of names) {
    const attributes = name === 'connection' ? connectionCondition : findNotice(name)?.attributes
    checkAttributes(attributes, value[name], [...path, name], plan, report)
  }
}

export function checkAttributes(
  table: Attributes | undefined,
  attributes: unknown,
  path: Path,
  plan: Plan,
  report: Report,
): void {
  if (!table || !isMap(attributes)) return
  for (const [key, value] of Object.entries(attributes)) {
    const kind = table[key]?.kind
    if (kind) checkValue(kind, value, [...path, key], plan, report)
  }
}

export function checkStep(name: string, value: unknown, path: Path, plan: Plan, report: Report): void {
  const step = findStep(name)
  if (step?.attributes) checkAttributes(step.attributes, value, path, plan, report)
  else if (step?.kind) checkValue(step.kind, value, path, plan, report)
}
