/** What the subcommands of `trustplane pki` have in common: the plan, the clock, and how a date is written. */
import { watch } from 'node:fs'
import { Option } from 'commander'
import { adjustableClock, type Clock, offsetClock, parseDuration } from '#clock.ts'
import { runningState } from '#mesh/state.ts'
import { loadPlan } from '#pki/plan.ts'
import { recordedPlan } from '#pki/plan-record.ts'
import type { Plan } from '#pki/types.ts'

export const formats = ['table', 'json', 'yaml'] as const

export interface ClockOptions {
  clockOffset: string
}
export const clockOption = () =>
  new Option(
    '--clock-offset <duration>',
    'issue and judge as if it were this much later (364d) or earlier (-10m); left at 0: by the clock of the mesh that runs here',
  ).default('0')

type InDir = ClockOptions & { dir: string }

const offsetOf = ({ clockOffset, dir }: InDir): number =>
  parseDuration(clockOffset) || (runningState(dir)?.clockOffsetMs ?? 0)

export const clockOf = (options: InDir): Clock => offsetClock(offsetOf(options))

/** For who stays: goes on with the clock of the mesh, which may be put forward meanwhile. */
export function followedClock(options: InDir): Clock & { close(): void } {
  const clock = adjustableClock(offsetOf(options))
  if (!runningState(options.dir)) return { ...clock, close() {} }
  const watcher = watch(options.dir, (_, name) => {
    if (name === 'mesh.json') clock.set(offsetOf(options))
  })
  return { ...clock, close: () => watcher.close() }
}

export interface PlanOptions extends ClockOptions {
  plan?: string
}
export const planOption = (description = 'the plan, when it is not the one that the PKI was made from') =>
  new Option('--pki, --plan <file>', description)
export const planFor = (options: { plan?: string; dir: string }): Promise<Plan> =>
  options.plan ? loadPlan(options.plan) : recordedPlan(options.dir)

export const rfc3339 = (date: Date) => date.toISOString().replace('.000Z', 'Z')
