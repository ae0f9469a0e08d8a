/** The JSON paths of printer columns: `.spec.secretName`, `.status.conditions[?(@.type == "Ready")].status`, `.items[0].name`, `.metadata.labels.a\.b`. */

type Step = { field: string } | { index: number } | { where: string[]; equals: string } | { all: true }

/** Undefined: it is no path that is understood here. */
export function parseJsonPath(path: string): ((object: unknown) => unknown) | undefined {
  const steps: Step[] = []
  let rest = path.trim().replace(/^\$/, '')
  while (rest !== '') {
    const field = /^\.((?:\\.|[^.[\\])+)/.exec(rest)
    const bracket = /^\[(?:'([^']*)'|(\d+)|(\*)|\?\(\s*@\.([\w.]+)\s*==\s*(?:"([^"]*)"|'([^']*)')\s*\))\]/.exec(rest)
    if (field) steps.push(field[1] === '*' ? { all: true } : { field: field[1]!.replace(/\\(.)/g, '$1') })
    else if (bracket?.[1] !== undefined) steps.push({ field: bracket[1] })
    else if (bracket?.[2] !== undefined) steps.push({ index: Number(bracket[2]) })
    else if (bracket?.[3]) steps.push({ all: true })
    else if (bracket?.[4]) steps.push({ where: bracket[4].split('.'), equals: bracket[5] ?? bracket[6] ?? '' })
    else return undefined
    rest = rest.slice((field ?? bracket)![0].length)
  }
  // several results: the first is shown, as the original's table convertor does
  return object => steps.reduce<unknown[]>((values, step) => values.flatMap(value => walk(value, step)), [object])[0]
}

const fieldOf = (value: unknown, name: string): unknown =>
  value !== null && typeof value === 'object' ? (value as Record<string, unknown>)[name] : undefined

function walk(value: unknown, step: Step): unknown[] {
  if ('field' in step) {
    const inner = fieldOf(value, step.field)
    return inner === undefined ? [] : [inner]
  }
  if ('all' in step) return value !== null && typeof value === 'object' ? Object.values(value) : []
  if (!Array.isArray(value)) return []
  if ('index' in step) return step.index < value.length ? [value[step.index]] : []
  return value.filter(item => step.where.reduce<unknown>(fieldOf, item) === step.equals)
}
