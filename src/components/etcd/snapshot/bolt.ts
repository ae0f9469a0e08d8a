/**
 * Writes a bbolt database (go.etcd.io/bbolt, file format version 2) at one go: what `etcdctl snapshot save` fetches is one,
 * so that `snapshot status` and `snapshot restore` take what ours gives, and a real etcd can go on from it.
 * Pages of 4096 bytes, little endian: 0 and 1 meta, 2 the (empty) free list, then the buckets' trees, then the root's leaf.
 */

const pageSize = 4096
const pageHeader = 16
const element = 16
const flag = { branch: 0x01, leaf: 0x02, meta: 0x04, freelist: 0x10 } as const
const magic = 0xed0cdaed
/** An element of a leaf whose value is a bucket. */
const bucketLeaf = 0x01

export interface BoltEntry {
  key: Buffer
  value: Buffer
}

/** @param buckets by name; entries in the order of their keys' bytes */
export function writeBolt(buckets: Readonly<Record<string, Iterable<BoltEntry>>>): Buffer {
  const pages = new Pages()
  const roots: LeafItem[] = []
  for (const name of Object.keys(buckets).sort()) {
    roots.push({ flags: bucketLeaf, key: Buffer.from(name), value: bucketValue(pages, buckets[name]!) })
  }
  return pages.finish(pages.tree(roots))
}

interface LeafItem extends BoltEntry {
  flags: number
}

/** A bucket's header: where its tree begins, and its sequence. An empty bucket lies in the value itself: root 0 and an empty leaf. */
function bucketValue(pages: Pages, entries: Iterable<BoltEntry>): Buffer {
  const items = [...entries].map(entry => ({ ...entry, flags: 0 }))
  if (items.length === 0) {
    const inline = Buffer.alloc(16 + pageHeader)
    inline.writeUInt16LE(flag.leaf, 16 + 8)
    return inline
  }
  const header = Buffer.alloc(16)
  header.writeBigUInt64LE(BigInt(pages.tree(items)), 0)
  return header
}

class Pages {
  readonly #chunks: Buffer[] = []
  /** The next page's id. */
  #next = 3

  /** @returns the id of the tree's root page */
  tree(items: readonly LeafItem[]): number {
    let level = split(items, ({ key, value }) => element + key.length + value.length).map(group => ({
      key: group[0]?.key ?? Buffer.alloc(0),
      id: this.#leaf(group),
    }))
    while (level.length > 1) {
      level = split(level, ({ key }) => element + key.length).map(group => ({
        key: group[0]!.key,
        id: this.#branch(group),
      }))
    }
    return level[0]!.id
  }

  finish(root: number): Buffer {
    const freelist = Buffer.alloc(pageSize)
    freelist.writeBigUInt64LE(2n, 0)
    freelist.writeUInt16LE(flag.freelist, 8)
    return Buffer.concat([this.#meta(0, root), this.#meta(1, root), freelist, ...this.#chunks])
  }

  #leaf(items: readonly LeafItem[]): number {
    const page = this.#page(
      flag.leaf,
      items.length,
      sum(items, ({ key, value }) => key.length + value.length),
    )
    let data = pageHeader + items.length * element
    for (const [i, { flags, key, value }] of items.entries()) {
      const at = pageHeader + i * element
      page.buffer.writeUInt32LE(flags, at)
      // from the element itself
      page.buffer.writeUInt32LE(data - at, at + 4)
      page.buffer.writeUInt32LE(key.length, at + 8)
      page.buffer.writeUInt32LE(value.length, at + 12)
      data += key.copy(page.buffer, data)
      data += value.copy(page.buffer, data)
    }
    return page.id
  }

  #branch(items: readonly { key: Buffer; id: number }[]): number {
    const page = this.#page(
      flag.branch,
      items.length,
      sum(items, ({ key }) => key.length),
    )
    let data = pageHeader + items.length * element
    for (const [i, { key, id }] of items.entries()) {
      const at = pageHeader + i * element
      page.buffer.writeUInt32LE(data - at, at)
      page.buffer.writeUInt32LE(key.length, at + 4)
      page.buffer.writeBigUInt64LE(BigInt(id), at + 8)
      data += key.copy(page.buffer, data)
    }
    return page.id
  }

  /** A page with its header; what does not fit into one flows over into the next ones. */
  #page(flags: number, count: number, dataBytes: number): { id: number; buffer: Buffer } {
    const size = pageHeader + count * element + dataBytes
    const pages = Math.max(1, Math.ceil(size / pageSize))
    const buffer = Buffer.alloc(pages * pageSize)
    const id = this.#next
    this.#next += pages
    buffer.writeBigUInt64LE(BigInt(id), 0)
    buffer.writeUInt16LE(flags, 8)
    buffer.writeUInt16LE(count, 10)
    buffer.writeUInt32LE(pages - 1, 12)
    this.#chunks.push(buffer)
    return { id, buffer }
  }

  #meta(id: number, root: number): Buffer {
    const page = Buffer.alloc(pageSize)
    page.writeBigUInt64LE(BigInt(id), 0)
    page.writeUInt16LE(flag.meta, 8)
    const meta = page.subarray(pageHeader)
    meta.writeUInt32LE(magic, 0)
    meta.writeUInt32LE(2, 4)
    meta.writeUInt32LE(pageSize, 8)
    meta.writeBigUInt64LE(BigInt(root), 16)
    meta.writeBigUInt64LE(2n, 32)
    meta.writeBigUInt64LE(BigInt(this.#next), 40)
    meta.writeBigUInt64LE(BigInt(id), 48)
    meta.writeBigUInt64LE(fnv1a(meta.subarray(0, 56)), 56)
    return page
  }
}

/** Groups that fit into a page each; what is larger than a page is alone. At least one group. */
function split<T>(items: readonly T[], sizeOf: (item: T) => number): T[][] {
  const groups: T[][] = [[]]
  let size = pageHeader
  for (const item of items) {
    const more = sizeOf(item)
    if (size + more > pageSize && groups.at(-1)!.length > 0) {
      groups.push([])
      size = pageHeader
    }
    groups.at(-1)!.push(item)
    size += more
  }
  return groups
}

const sum = <T>(items: readonly T[], of: (item: T) => number) => items.reduce((total, item) => total + of(item), 0)

/** FNV-1a of 64 bits: bbolt's checksum of a meta page. */
function fnv1a(bytes: Uint8Array): bigint {
  let hash = 0xcbf29ce484222325n
  for (const byte of bytes) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n)
  return hash
}
