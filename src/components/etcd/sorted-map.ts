/**
 * A map sorted by byte-string keys that can also count: how many keys lie in an interval, without walking it (etcd's
 * `count` is of the whole range, whatever the limit). The libraries for sorted maps (sorted-btree and the like) have no
 * rank, so this is a two-level B+ tree of our own: leaves of up to 512 keys, found by binary search over their first keys.
 * A million keys are some 3,000 leaves; an insertion moves at most 512 + 3,000 references.
 */
const leafSize = 512

interface Leaf<V> {
  keys: string[]
  values: V[]
}

export class SortedMap<V> {
  #leaves: Leaf<V>[] = [{ keys: [], values: [] }]
  #size = 0

  get size(): number {
    return this.#size
  }

  set(key: string, value: V): void {
    const l = this.#leafOf(key)
    const leaf = this.#leaves[l]!
    const i = lowerBound(leaf.keys, key)
    if (leaf.keys[i] === key) {
      leaf.values[i] = value
      return
    }
    this.#size++
    if (i === leaf.keys.length) {
      leaf.keys.push(key)
      leaf.values.push(value)
    } else {
      leaf.keys.splice(i, 0, key)
      leaf.values.splice(i, 0, value)
    }
    if (leaf.keys.length <= leafSize) return
    // keys that come in order (a counter, a time) leave a full leaf behind, not a half-empty one
    const at = i === leaf.keys.length - 1 ? leafSize : leafSize / 2
    this.#leaves.splice(l + 1, 0, { keys: leaf.keys.splice(at), values: leaf.values.splice(at) })
  }

  delete(key: string): void {
    const l = this.#leafOf(key)
    const leaf = this.#leaves[l]!
    const i = lowerBound(leaf.keys, key)
    if (leaf.keys[i] !== key) return
    this.#size--
    leaf.keys.splice(i, 1)
    leaf.values.splice(i, 1)
    if (leaf.keys.length === 0 && this.#leaves.length > 1) this.#leaves.splice(l, 1)
  }

  /** How many keys k there are with start ≤ k < end; `end` undefined: no upper bound. */
  count(start: string, end: string | undefined): number {
    if (end !== undefined && end <= start) return 0
    const from = this.#leafOf(start)
    const to = end === undefined ? this.#leaves.length - 1 : this.#leafOf(end)
    let total = -lowerBound(this.#leaves[from]!.keys, start)
    for (let l = from; l < to; l++) total += this.#leaves[l]!.keys.length
    const last = this.#leaves[to]!.keys
    return total + (end === undefined ? last.length : lowerBound(last, end))
  }

  /** The values of start ≤ key < end, in order, at most `limit` (0: all). */
  values(start: string, end: string | undefined, limit = 0): V[] {
    const found: V[] = []
    if (end !== undefined && end <= start) return found
    for (let l = this.#leafOf(start), i = -1; l < this.#leaves.length; l++) {
      const { keys, values } = this.#leaves[l]!
      i = i === -1 ? lowerBound(keys, start) : 0
      const stop = end === undefined || keys.length === 0 || keys.at(-1)! < end ? keys.length : lowerBound(keys, end)
      for (; i < stop; i++) {
        found.push(values[i]!)
        if (found.length === limit) return found
      }
      if (stop < keys.length) break
    }
    return found
  }

  /** The last leaf whose first key is ≤ key, or the first leaf. */
  #leafOf(key: string): number {
    let low = 0
    let high = this.#leaves.length - 1
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if (this.#leaves[middle]!.keys[0]! <= key) low = middle
      else high = middle - 1
    }
    return low
  }
}

/** The first index whose key is ≥ `key`. */
function lowerBound(keys: readonly string[], key: string): number {
  let low = 0
  let high = keys.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (keys[middle]! < key) low = middle + 1
    else high = middle
  }
  return low
}
