/** Label and field selectors: as objects, and as they are written in a query. */
import type { LabelSelector } from './types.ts'

type Labels = Record<string, string> | undefined

/** metav1.LabelSelectorAsSelector(…).Matches. An empty selector matches everything. */
export function matchesLabels(selector: LabelSelector, labels: Labels): boolean {
  for (const [key, value] of Object.entries(selector.matchLabels ?? {})) if (labels?.[key] !== value) return false
  return (selector.matchExpressions ?? []).every(({ key, operator, values = [] }) =>
    operators[operator]!(labels?.[key], values),
  )
}

const isIn = (value: string | undefined, values: readonly string[]) => value !== undefined && values.includes(value)

const operators: Record<string, (value: string | undefined, values: readonly string[]) => boolean> = {
  In: isIn,
  in: isIn,
  '=': isIn,
  NotIn: (value, values) => !isIn(value, values),
  notin: (value, values) => !isIn(value, values),
  '!=': (value, values) => !isIn(value, values),
  Exists: value => value !== undefined,
  exists: value => value !== undefined,
  DoesNotExist: value => value === undefined,
  '!': value => value === undefined,
}

export type Requirement = { key: string; operator: '=' | '!=' | 'in' | 'notin' | 'exists' | '!'; values: string[] }

/**
 * `app=web,tier in (a, b),!old`: labels.Parse.
 * @throws Error with the original's words
 */
export function parseLabelSelector(text: string): Requirement[] {
  const requirements: Requirement[] = []
  for (const part of split(text)) {
    const term = part.trim()
    if (term === '') continue
    const compared = /^([^\s=!,()]+)\s*(==|=|!=)\s*([^\s=!,()]*)$/.exec(term)
    const listed = /^([^\s=!,()]+)\s+(in|notin)\s*\(([^()]*)\)$/.exec(term)
    const bare = /^(!?)\s*([^\s=!,()]+)$/.exec(term)
    if (compared) {
      const [, key, operator, value] = compared
      requirements.push({ key: key!, operator: operator === '!=' ? '!=' : '=', values: [value!] })
    } else if (listed) {
      const values = listed[3]!.split(',').map(value => value.trim())
      requirements.push({ key: listed[1]!, operator: listed[2] as 'in' | 'notin', values })
    } else if (bare) {
      requirements.push({ key: bare[2]!, operator: bare[1] ? '!' : 'exists', values: [] })
    } else throw new Error(`unable to parse requirement: found '${term}', expected: an operator`)
  }
  return requirements
}

/** Commas that are not inside parentheses. */
function split(text: string): string[] {
  const parts: string[] = []
  let depth = 0
  let start = 0
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '(') depth++
    else if (text[i] === ')') depth--
    else if (text[i] === ',' && depth === 0) {
      parts.push(text.slice(start, i))
      start = i + 1
    }
  }
  parts.push(text.slice(start))
  return parts
}

export const labelsMatch = (requirements: readonly Requirement[], labels: Labels): boolean =>
  requirements.every(({ key, operator, values }) => operators[operator]!(labels?.[key], values))

/**
 * `spec.nodeName=n1,status.phase!=Failed`: fields.ParseSelector.
 * @throws Error with the original's words
 */
export function parseFieldSelector(text: string): { field: string; equal: boolean; value: string }[] {
  return text
    .split(',')
    .filter(term => term !== '')
    .map(term => {
      const match = /^(.+?)(==|!=|=)(.*)$/.exec(term)
      if (!match) throw new Error(`invalid selector: '${text}'; can't understand '${term}'`)
      return { field: match[1]!.trim(), equal: match[2] !== '!=', value: match[3]!.trim() }
    })
}
