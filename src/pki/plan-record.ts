/** `<dir>/plan.json`: the plan that a PKI was made from, so that later commands need not be told. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf, TrustplaneError } from '#errors.ts'
import { loadPlan, planOf } from './plan.ts'
import type { Plan, PlanDocument } from './types.ts'

export const planRecord = 'plan.json'

export const renderPlanRecord = (plan: Plan) =>
  `${JSON.stringify({ apiVersion: 'trustplane.io/v1alpha1', kind: 'PkiPlan', plan: plan.document }, null, 2)}\n`

/** The plan that `dir` was made from; kubeadm's for a folder that trustplane did not make (/etc/kubernetes). */
export async function recordedPlan(dir: string): Promise<Plan> {
  const file = join(dir, planRecord)
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch {
    return loadPlan('kubeadm')
  }
  try {
    const { plan } = JSON.parse(text) as { plan: PlanDocument }
    return planOf(plan, file)
  } catch (cause) {
    throw new TrustplaneError('TP_INPUT_INVALID', `${file} is not the record of a plan: ${messageOf(cause)}`, {
      fix: 'remove it, or give the plan with --plan',
      at: { file },
      cause,
    })
  }
}
