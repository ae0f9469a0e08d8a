/** What the subcommands of `trustplane pki` have in common: the plan, the clock, and how a date is written. */
import { Option } from 'commander'
import { type Clock, offsetClock, parseDuration } from '#clock.ts'
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
    'issue and judge as if it were this much later (364d) or earlier (-10m)',
  ).default('0')
export const clockOf = ({ clockOffset }: ClockOptions): Clock => offsetClock(parseDuration(clockOffset))

export interface PlanOptions extends ClockOptions {
  plan?: string
}
export const planOption = (description = 'the plan, when it is not the one that the PKI was made from') =>
  new Option('--pki, --plan <file>', description)
export const planFor = (options: { plan?: string; dir: string }): Promise<Plan> =>
  options.plan ? loadPlan(options.plan) : recordedPlan(options.dir)

export const rfc3339 = (date: Date) => date.toISOString().replace('.000Z', 'Z')
