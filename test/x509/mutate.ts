/** Breaks DER: byte by byte, and along its structure, so that lengths stay right and deep fields are reached. */
import { DerReader } from '#x509/der.ts'
import { element } from './der-writer.ts'
import type { Random } from './random.ts'

interface Tree {
  tag: number
  /** What comes before the children: the unused-bits byte of a BIT STRING. */
  lead: Buffer
  children?: Tree[]
  content: Buffer
}

function parseTree(bytes: Uint8Array): Tree[] | undefined {
  const reader = new DerReader(bytes)
  const trees: Tree[] = []
  while (!reader.empty) {
    const part = reader.element()
    if (!part) return undefined
    const isBits = part.tag === 0x03 && part.content[0] === 0
    const inner = isBits ? part.content.subarray(1) : part.content
    // OCTET STRINGs and BIT STRINGs often hold DER
    const mayNest = part.tag & 0x20 || isBits || part.tag === 0x04
    const children = mayNest && inner.length > 0 ? parseTree(inner) : undefined
    trees.push({
      tag: part.tag,
      lead: isBits ? Buffer.from([0]) : Buffer.alloc(0),
      content: Buffer.from(part.content),
      ...(children ? { children } : {}),
    })
  }
  return trees
}

const write = (tree: Tree): Buffer =>
  tree.children ? element(tree.tag, tree.lead, ...tree.children.map(write)) : element(tree.tag, tree.content)

function allNodes(trees: Tree[], into: { siblings: Tree[]; index: number }[] = []) {
  for (const [index, tree] of trees.entries()) {
    into.push({ siblings: trees, index })
    if (tree.children) allNodes(tree.children, into)
  }
  return into
}

/** Contents that parsers have opinions on. */
const interesting = [
  '',
  '00',
  'ff',
  '01',
  '7f',
  '80',
  '0080',
  '0001',
  'ff80',
  'ffff',
  '00000000000000000001',
  '0100000000000000000000',
  '2a',
  '551d11',
  '551d1e',
  '551d23',
  '551d25',
  '551d2000',
  '800000',
  '2a808001',
  '2e6578616d706c65',
  '6578616d706c652e',
  '2a2e6578616d706c65',
  '687474703a2f2f5b626164',
  '61406578616d706c65',
  '3234303130313030303030305a',
  '323430313031303030305a',
  '3234303130313030303030302b30313030',
  '3234303233303030303030305a',
  '32303234303130313030303030305a',
  '7f000001ff000000',
  'c3a9',
  '41404242',
]

const tags = [
  1, 2, 3, 4, 5, 6, 0x0c, 0x12, 0x13, 0x14, 0x16, 0x17, 0x18, 0x1c, 0x1e, 0x30, 0x31, 0x80, 0x81, 0x82, 0x86, 0x87,
  0xa0, 0xa1, 0xa3, 0xa4, 0x1f,
]

function mutateOnce(trees: Tree[], random: Random): void {
  const nodes = allNodes(trees)
  const { siblings, index } = random.pick(nodes)
  const node = siblings[index]!
  switch (random.below(9)) {
    case 0:
      node.tag = random.pick(tags)
      return
    case 1:
      delete node.children
      node.content = Buffer.from(random.pick(interesting), 'hex')
      return
    case 2:
      siblings.splice(index, 1)
      return
    case 3:
      siblings.splice(index, 0, structuredClone(node))
      return
    case 4: {
      const other = random.below(siblings.length)
      siblings[index] = siblings[other]!
      siblings[other] = node
      return
    }
    case 5:
      delete node.children
      node.content = random.bytes(random.below(12))
      return
    case 6: {
      const from = random.pick(nodes)
      siblings[index] = structuredClone(from.siblings[from.index]!)
      return
    }
    case 7:
      if (node.content.length > 0 && !node.children) {
        node.content = Buffer.from(node.content)
        node.content[random.below(node.content.length)]! ^= 1 << random.below(8)
      }
      return
    default:
      siblings.splice(index + 1, 0, {
        tag: random.pick(tags),
        lead: Buffer.alloc(0),
        content: random.bytes(random.below(4)),
      })
  }
}

/** One to three changes along the structure. */
export function mutateStructure(der: Uint8Array, random: Random): Buffer {
  const trees = parseTree(der)
  if (!trees) return mutateBytes(der, random)
  for (let times = 1 + random.below(3); times > 0; times--) if (trees.length > 0) mutateOnce(trees, random)
  return Buffer.concat(trees.map(tree => write(restore(tree))))
}

/** structuredClone turns Buffers into Uint8Arrays. */
function restore(tree: Tree): Tree {
  return {
    tag: tree.tag,
    lead: Buffer.from(tree.lead),
    content: Buffer.from(tree.content),
    ...(tree.children ? { children: tree.children.map(restore) } : {}),
  }
}

/** Flipped, cut, inserted, repeated bytes. */
export function mutateBytes(der: Uint8Array, random: Random): Buffer {
  let bytes = Buffer.from(der)
  for (let times = 1 + random.below(3); times > 0 && bytes.length > 0; times--) {
    const at = random.below(bytes.length)
    switch (random.below(4)) {
      case 0:
        bytes[at]! ^= 1 << random.below(8)
        break
      case 1:
        bytes[at] = random.below(256)
        break
      case 2:
        bytes = bytes.subarray(0, at)
        break
      default:
        bytes = Buffer.concat([bytes.subarray(0, at), random.bytes(1 + random.below(3)), bytes.subarray(at)])
    }
  }
  return bytes
}
