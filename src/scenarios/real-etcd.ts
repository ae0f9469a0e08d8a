/** Which scenarios a real etcd cannot play: it has the machine's clock, and older ones lack flags. */
import { spawnSync } from 'node:child_process'
import type { FaultAttributes, Scenario, Step } from './types.ts'

/** Why this one cannot be played on that etcd; undefined: it can. */
export function whyNotOn(etcdBinary: string, { faults, more, steps, fix }: Scenario): string | undefined {
  const broken = [...steps, ...fix].filter(({ name }) => name === 'break').flatMap(faultsIn)
  const all = [...faults, ...broken]
  const ofEtcd = (name: string) => all.filter(one => one.name === name && one.attributes.component === 'etcd')
  const isMoved =
    more.clock?.all !== undefined ||
    more.clock?.etcd !== undefined ||
    ofEtcd('wrong-clock').length > 0 ||
    [...steps, ...fix].some(movesEverybody)
  if (isMoved) return 'it moves etcd’s clock, and a real etcd has the machine’s'
  const flags = [
    ...(more.flags?.etcd ?? []),
    ...ofEtcd('wrong-flag').flatMap(({ attributes }) => attributes.flags ?? []),
  ]
  const missing = flags
    .map(flag => /^--[\w-]+/.exec(flag)?.[0] ?? flag)
    .find(flag => !new RegExp(`${flag}(?![\\w-])`).test(helpOf(etcdBinary)))
  return missing && `this etcd has no ${missing}`
}

const faultsIn = ({ value }: Step) =>
  Object.entries(value as Record<string, FaultAttributes>).map(([name, attributes]) => ({ name, attributes }))

function movesEverybody({ name, value }: Step): boolean {
  if (name !== 'advance-clock') return false
  const { component = 'etcd' } = value as { component?: string }
  return component === 'etcd'
}

const helps = new Map<string, string>()

function helpOf(program: string): string {
  let help = helps.get(program)
  if (help === undefined) {
    const { stdout, stderr } = spawnSync(program, ['--help'], { encoding: 'utf8', timeout: 5000 })
    help = `${stdout ?? ''}${stderr ?? ''}`
    helps.set(program, help)
  }
  return help
}
