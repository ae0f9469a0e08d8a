/** Two PKIs held against each other: which connections change and how, and who can do more, or less, than before. */
import type { Clock } from '#clock.ts'
import { connectionName } from './connections.ts'
import { type OpenPki, openPki } from './open-pki.ts'
import { authorityFacts, type PkiView, viewPki } from './pki-view.ts'
import { describePowers, type Power, powersOf } from './powers.ts'

interface FactChange {
  /** `client certificate: issuer`, `server trusts`, `comes to`. */
  what: string
  before: string
  after: string
}

interface ConnectionChange {
  from: string
  to: string
  changes: readonly FactChange[]
}

/** Powers of one kind at one place. */
interface PowerChange {
  powers: readonly Power[]
  /** For people. */
  sentence: string
}

export interface PkiDiff {
  before: string
  after: string
  same: boolean
  authorities: {
    added: readonly string[]
    removed: readonly string[]
    /** Of the same name, but another key; known of directories only, since a plan's keys are new each time. */
    newKeys: readonly string[]
    changed: readonly { name: string; changes: readonly FactChange[] }[]
  }
  connections: readonly ConnectionChange[]
  gained: readonly PowerChange[]
  lost: readonly PowerChange[]
  /** Connections that one side holds no files for, and what is missing. */
  notCompared: readonly { connection: string; missing: readonly string[] }[]
}

/**
 * @param before see openPki
 * @throws TrustplaneError what `openPki` throws
 */
export async function diffPki(before: string, after: string, clock: Clock): Promise<PkiDiff> {
  await using a = await openPki(before, clock)
  await using b = await openPki(after, clock)
  return compare(a, b, clock.now())
}

function compare(a: OpenPki, b: OpenPki, now: Date): PkiDiff {
  const [was, is] = [viewPki(a.layout, now), viewPki(b.layout, now)]
  const notCompared = was.rows.flatMap((row, index) => {
    const missing = [...new Set([...row.missing, ...is.rows[index]!.missing])]
    return missing.length > 0 ? [{ connection: connectionName(row), missing }] : []
  })
  const skipped = new Set(notCompared.map(({ connection }) => connection))
  const connections = was.rows.flatMap((row, index): ConnectionChange[] => {
    const changes = changesOf(row.facts, is.rows[index]!.facts)
    return changes.length > 0 && !skipped.has(connectionName(row)) ? [{ from: row.from, to: row.to, changes }] : []
  })
  const names = (view: PkiView) => [...view.authorities.keys()]
  const authorities = {
    added: names(is).filter(name => !was.authorities.has(name)),
    removed: names(was).filter(name => !is.authorities.has(name)),
    newKeys: a.kind === 'directory' && b.kind === 'directory' ? names(is).filter(name => hasNewKey(was, is, name)) : [],
    changed: names(is).flatMap(name => {
      const [before, after] = [was.authorities.get(name), is.authorities.get(name)]
      const changes = before && after ? changesOf(authorityFacts(was, before), authorityFacts(is, after)) : []
      return changes.length > 0 ? [{ name, changes }] : []
    }),
  }
  // a holder that only one side has gains and loses nothing
  const shared = ({ who }: Power) => !isHolder(was, is, who) || (was.holders.has(who) && is.holders.has(who))
  const [couldDo, canDo] = [powersOf(was, now).filter(shared), powersOf(is, now).filter(shared)]
  const gained = grouped(without(canDo, couldDo))
  const lost = grouped(without(couldDo, canDo))
  const differences = [connections, ...Object.values(authorities), gained, lost]
  return {
    before: a.name,
    after: b.name,
    same: differences.every(list => list.length === 0),
    authorities,
    connections,
    gained,
    lost,
    notCompared,
  }
}

const isHolder = (was: PkiView, is: PkiView, who: string) => was.holders.has(who) || is.holders.has(who)

function hasNewKey(was: PkiView, is: PkiView, name: string): boolean {
  const [before, after] = [was.authorities.get(name), is.authorities.get(name)]
  if (!before || !after) return false
  return Buffer.compare(before.subjectPublicKeyInfo, after.subjectPublicKeyInfo) !== 0
}

function changesOf(was: Readonly<Record<string, string>>, is: Readonly<Record<string, string>>): FactChange[] {
  return [...new Set([...Object.keys(was), ...Object.keys(is)])].flatMap(what => {
    const [before, after] = [was[what] ?? '(none)', is[what] ?? '(none)']
    return before === after ? [] : [{ what, before, after }]
  })
}

const keyOf = ({ kind, at, who, as }: Power) => [kind, at, who, as].join('\0')

function without(powers: readonly Power[], others: readonly Power[]): Power[] {
  const known = new Set(others.map(keyOf))
  return powers.filter(power => !known.has(keyOf(power)))
}

/** One sentence a kind and place: a CA that etcd trusts lets nine certificates in, which is one thing to say. */
function grouped(powers: readonly Power[]): PowerChange[] {
  const groups = Map.groupBy(powers, ({ kind, at, as }) => [kind, at, as].join('\0'))
  return [...groups.values()].map(group => ({ powers: group, sentence: describePowers(group) }))
}
