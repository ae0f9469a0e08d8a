/** Sets of field paths: what `fieldsV1` of a managedFields entry writes as nested objects (structured-merge-diff's fieldpath.Set). */

/** One step of a path as it is written: `f:spec`, `k:{"name":"web"}`, `v:"x"`. */
export class FieldSet {
  /** The path up to here is in the set. */
  member = false
  readonly children = new Map<string, FieldSet>()

  static parse(json: unknown): FieldSet {
    const set = new FieldSet()
    const entries = Object.entries((json as Record<string, unknown>) ?? {})
    if (entries.length === 0) set.member = true
    for (const [step, inner] of entries) {
      if (step === '.') set.member = true
      else set.children.set(step, FieldSet.parse(inner))
    }
    return set
  }

  toJSON(): Record<string, unknown> {
    const entries: [string, unknown][] = [...this.children]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([step, set]) => [step, set.toJSON()])
    return Object.fromEntries(this.member && entries.length > 0 ? [['.', {}], ...entries] : entries)
  }

  get empty(): boolean {
    return !this.member && this.children.size === 0
  }

  child(step: string): FieldSet {
    let set = this.children.get(step)
    if (!set) {
      set = new FieldSet()
      this.children.set(step, set)
    }
    return set
  }

  add(path: readonly string[]): void {
    let set: FieldSet = this
    for (const step of path) set = set.child(step)
    set.member = true
  }

  /** Every path in it. */
  *paths(prefix: readonly string[] = []): Generator<string[]> {
    if (this.member && prefix.length > 0) yield [...prefix]
    for (const [step, set] of this.children) yield* set.paths([...prefix, step])
  }

  has(path: readonly string[]): boolean {
    let set: FieldSet | undefined = this
    for (const step of path) set = set?.children.get(step)
    return set?.member === true
  }

  union(other: FieldSet): FieldSet {
    const result = new FieldSet()
    result.member = this.member || other.member
    for (const step of new Set([...this.children.keys(), ...other.children.keys()]))
      result.children.set(
        step,
        (this.children.get(step) ?? new FieldSet()).union(other.children.get(step) ?? new FieldSet()),
      )
    return result
  }

  /** Without the paths of `other`. */
  minus(other: FieldSet): FieldSet {
    const result = new FieldSet()
    result.member = this.member && !other.member
    for (const [step, set] of this.children) {
      const rest = other.children.has(step) ? set.minus(other.children.get(step)!) : set
      if (!rest.empty) result.children.set(step, rest)
    }
    return result
  }
}

/** As errors write a path: `.spec.containers[name="web"].image`. */
export function pathText(path: readonly string[]): string {
  return path
    .map(step => {
      const body = step.slice(2)
      if (step.startsWith('f:')) return `.${body}`
      if (step.startsWith('k:')) {
        const keys = Object.entries(JSON.parse(body) as Record<string, unknown>).map(
          ([key, value]) => `${key}=${JSON.stringify(value)}`,
        )
        return `[${keys.join(',')}]`
      }
      return step.startsWith('v:') ? `[=${body}]` : `[${body}]`
    })
    .join('')
}
