/**
 * A YAML file checked against a JSON Schema: every problem at once, each with line and column, and the nearest known word for
 * an unknown one. Used for plans here and for scenarios above.
 */
import type { ErrorObject, ValidateFunction } from 'ajv'
import { type Document, isMap, isScalar, LineCounter, type Node, parseDocument, type YAMLError } from 'yaml'
import { type ErrorCode, nearest, TrustplaneError } from '#errors.ts'

/** Keys and indexes from the root of a document. */
export type Path = readonly (string | number)[]

export interface Problem {
  path: Path
  message: string
  /** Show the key at `path` rather than its value. */
  atKey?: boolean
}

export interface YamlDocument {
  file: string
  /** Plain data; undefined for an empty file. */
  value: unknown
  /** Where something is, 1-based; the nearest thing above it that exists. */
  position(path: Path, atKey?: boolean): { line: number; column: number }
  /** Is there a node at this path? */
  has(path: Path): boolean
  /** The text of a scalar as it stands in the file (`1.30`, which as a number is 1.3). */
  source(path: Path): string | undefined
}

/**
 * @param code of the error thrown for text that is no YAML
 * @throws TrustplaneError with every problem
 */
export function parseYaml(text: string, file: string, code: ErrorCode): YamlDocument {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const place = (offset: number) => {
    const { line, col } = lines.linePos(offset)
    return { line: Math.max(1, line), column: Math.max(1, col) }
  }
  if (document.errors.length > 0) {
    throw problemsError(
      code,
      document.errors.map(error => ({ file, ...place(error.pos[0]), message: yamlWords(error, text) })),
    )
  }
  const nodeAt = (path: Path) => document.getIn(path, true) as Node | undefined
  return {
    file,
    value: document.toJS({ maxAliasCount: 100 }) ?? undefined,
    position(path, atKey = false) {
      for (let length = path.length; length >= 0; length--) {
        const node = rangeOf(document, path.slice(0, length), atKey && length === path.length)
        if (node !== undefined) return place(node)
      }
      return { line: 1, column: 1 }
    },
    has: path => nodeAt(path) !== undefined,
    source(path) {
      const node = nodeAt(path)
      return isScalar(node) ? (node.source ?? undefined) : undefined
    },
  }
}

/** Where the library speaks to programmers, in the words of who wrote the file. */
function yamlWords({ code, message, pos }: YAMLError, text: string): string {
  if (code === 'MULTIPLE_DOCS') return 'a second document begins here: one to a file'
  if (code === 'TAB_AS_INDENT') return 'a tab: YAML is indented with spaces'
  if (code !== 'DUPLICATE_KEY') return message
  const key = /^[^\s:]+/.exec(text.slice(pos[0]))?.[0]
  return key ? `the key ${JSON.stringify(key)} is there twice` : message
}

function rangeOf(document: Document, path: Path, atKey: boolean): number | undefined {
  if (atKey) {
    const parent = path.length === 1 ? document.contents : document.getIn(path.slice(0, -1), true)
    if (!isMap(parent)) return undefined
    const pair = parent.items.find(item => isScalar(item.key) && String(item.key.value) === String(path.at(-1)))
    return (pair?.key as Node | undefined)?.range?.[0]
  }
  const node = (path.length === 0 ? document.contents : document.getIn(path, true)) as Node | undefined
  return node?.range?.[0]
}

/** What a schema has to say about `value`; empty when it validates. The validator needs ajv's `allErrors` and `verbose`. */
export function schemaProblems(validate: ValidateFunction, value: unknown): Problem[] {
  if (validate(value)) return []
  return (validate.errors ?? []).flatMap(toProblem)
}

function toProblem(error: ErrorObject): Problem[] {
  const path: (string | number)[] = error.instancePath
    .split('/')
    .slice(1)
    .map(part => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .map(part => (/^\d+$/.test(part) ? Number(part) : part))
  const at = (message: string): Problem[] => [{ path, message }]
  const guess = (word: unknown, known: readonly string[]) => {
    const near = nearest(String(word), known)
    return near === undefined ? '' : `, did you mean ${JSON.stringify(near)}?`
  }
  switch (error.keyword) {
    case 'additionalProperties':
    case 'unevaluatedProperties': {
      const key = String(error.params.additionalProperty ?? error.params.unevaluatedProperty)
      const known = Object.keys((error.parentSchema?.properties as object | undefined) ?? {})
      const hint = guess(key, known) || (known.length <= 24 ? `; known: ${known.join(', ')}` : '')
      return [{ path: [...path, key], message: `unknown key ${JSON.stringify(key)}${hint}`, atKey: true }]
    }
    case 'required':
      return at(`${JSON.stringify(error.params.missingProperty)} is missing`)
    case 'enum': {
      const allowed = (error.params.allowedValues as unknown[]).map(String)
      const hint = typeof error.data === 'string' ? guess(error.data, allowed) : ''
      return at(`unknown value ${JSON.stringify(error.data)}${hint || `; known: ${allowed.join(', ')}`}`)
    }
    case 'type': {
      const expected = [error.params.type].flat().join(' or ')
      return at(`expected ${expected}, found ${kindOf(error.data)}`)
    }
    case 'pattern': {
      const description = error.parentSchema?.description
      return at(`${JSON.stringify(error.data)} is not valid here${description ? `: ${description}` : ''}`)
    }
    case 'minItems':
      return at(`at least ${error.params.limit} of them, found ${(error.data as unknown[]).length}`)
    case 'minimum':
    case 'maximum':
      return at(`${error.data} is too ${error.keyword === 'minimum' ? 'small' : 'large'}: ${error.message}`)
    // said already by the problem of its own
    case 'propertyNames':
    case 'anyOf':
    case 'oneOf':
    case 'if':
      return []
    default:
      return at(error.message ?? error.keyword)
  }
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  return typeof value === 'object' ? 'a map' : `${typeof value} ${JSON.stringify(value)}`
}

export interface PlacedProblem {
  file: string
  line?: number
  column?: number
  message: string
}

/** One error that says them all, in the order of the file. */
export function problemsError(code: ErrorCode, problems: readonly PlacedProblem[], fix?: string): TrustplaneError {
  const sorted = problems.toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0))
  const lines = sorted.map(({ file, line, column, message }) =>
    line === undefined ? `${file}: ${message}` : `${file}:${line}:${column}: ${message}`,
  )
  const first = sorted[0]!
  return new TrustplaneError(code, [...new Set(lines)].join('\n'), {
    at: {
      file: first.file,
      ...(first.line ? { line: first.line } : {}),
      ...(first.column ? { column: first.column } : {}),
    },
    fix: fix ?? (lines.length === 1 ? 'mend the file there' : `mend the file at these ${new Set(lines).size} places`),
  })
}
