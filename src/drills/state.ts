/** `<dir>/drill.json`: which drill runs, and how much help was asked for. */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { TrustplaneError } from '#errors.ts'
import { loadScenarios } from '#scenarios/load.ts'
import type { Scenario } from '#scenarios/types.ts'
import type { DrillState } from './types.ts'

const fileOf = (dir: string) => join(resolve(dir), 'drill.json')

export function writeDrill(dir: string, state: DrillState): void {
  mkdirSync(resolve(dir), { recursive: true, mode: 0o700 })
  const next = `${fileOf(dir)}.${process.pid}`
  writeFileSync(next, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600 })
  renameSync(next, fileOf(dir))
}

export function findDrill(dir: string): DrillState | undefined {
  try {
    const state = JSON.parse(readFileSync(fileOf(dir), 'utf8')) as DrillState
    return state.kind === 'Drill' ? state : undefined
  } catch {
    return undefined
  }
}

/** @throws TrustplaneError TP_NOT_RUNNING */
export function requireDrill(dir: string): DrillState {
  const state = findDrill(dir)
  if (state) return state
  throw new TrustplaneError('TP_NOT_RUNNING', `there is no drill in ${dir}`, {
    fix: 'start one with `trustplane drill`, or give the --dir that it had',
  })
}

export const forgetDrill = (dir: string): void => rmSync(fileOf(dir), { force: true })

export const hidden = (scenario: Scenario): string => Buffer.from(scenario.file).toString('base64')

export async function scenarioOf(state: DrillState): Promise<Scenario> {
  const [scenario] = await loadScenarios([Buffer.from(state.answer, 'base64').toString()])
  return scenario!
}
