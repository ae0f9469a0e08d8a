/** Makes the same PKI over and over, until it is killed: for create.test.ts. */
import { systemClock } from '#clock.ts'
import { createPki } from '#pki/create.ts'
import { loadPlan } from '#pki/plan.ts'

const plan = await loadPlan('kubeadm')
for (;;) {
  await createPki({ plan, dir: process.argv[2]!, clock: systemClock, force: true })
  process.stdout.write('made\n')
}
