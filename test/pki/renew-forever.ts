/** Renews the same certificate over and over, until it is killed: for renew-failures.test.ts. */
import { systemClock } from '#clock.ts'
import { loadPlan } from '#pki/plan.ts'
import { renewCertificates } from '#pki/renew.ts'

const plan = await loadPlan('kubeadm')
for (;;) {
  await renewCertificates(process.argv[2]!, plan, ['apiserver', 'etcd-server', 'admin.conf'], systemClock)
  process.stdout.write('renewed\n')
}
