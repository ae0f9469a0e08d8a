/** `trustplane pki renew`: what `kubeadm certs renew` does. */
import type { Command } from 'commander'
import { exitCodes } from '#errors.ts'
import type { Renewed } from '#pki/renew.ts'
import { createCommand, onRun } from '../../command.ts'
import type { Io } from '../../io.ts'
import { printDocument } from '../../output.ts'
import { clockOf, clockOption, formats, type PlanOptions, planFor, planOption, rfc3339 } from './options.ts'

export function buildRenew(io: Io | undefined): Command {
  const command = createCommand({
    name: 'renew',
    summary: 'new keys and certificates, with the names and usages of those that are there',
    description:
      'As `kubeadm certs renew`: whatever its age, a certificate is renewed; names and usages come from it and not from the plan;\nthe CA in a kubeconfig stays as it is. Running components that read their files once must be restarted.\nExit status as there: 0 too when a certificate is missing or an external CA’s; `-o json` tells them apart.',
    formats,
    examples: [
      { does: 'Everything that kubeadm renews', line: 'trustplane pki renew all' },
      { does: 'Some', line: 'trustplane pki renew apiserver admin.conf' },
    ],
  })
    .argument('<names...>', 'all, or names as check-expiration shows them')
    .addOption(planOption())
    .addOption(clockOption())
  return onRun<PlanOptions>(command, io, async (names, { io, options, say }) => {
    // it brings what makes certificates with it, which check-expiration need not wait for
    const { renewCertificates } = await import('#pki/renew.ts')
    const renewed = await renewCertificates(options.dir, await planFor(options), names, clockOf(options))
    if (options.output === 'table') {
      io.stdout.write(describeRenewal(renewed, names.includes('all')))
      const { afterRenewal } = await import('#mesh/after-renewal.ts')
      const done = renewed.filter(({ outcome }) => outcome === 'renewed').map(({ name }) => name)
      const { restart, byItself } = afterRenewal(done)
      for (const { component, names } of restart)
        say(`restart ${component}: it reads ${names.join(', ')} at start only`)
      for (const { component, names } of byItself)
        say(`no restart for ${component}: it takes ${names.join(', ')} by itself`)
      const dir = options.dir === '.trustplane' ? '' : ` --dir ${options.dir}`
      if (done.length > 0) say(`what runs has which of them: trustplane status --drift${dir}`)
    } else {
      const items = renewed.map(({ notAfter, ...rest }) => ({
        ...rest,
        ...(notAfter ? { notAfter: rfc3339(notAfter) } : {}),
      }))
      await printDocument(io, 'RenewalList', { items }, options.output as 'json' | 'yaml')
    }
    return exitCodes.ok
  })
}

function describeRenewal(renewed: readonly Renewed[], all: boolean): string {
  const lines = renewed.map(({ message }) => `${message}\n`).join('')
  if (!all) return lines
  return `${lines}\nDone renewing certificates. You must restart the kube-apiserver, kube-controller-manager, kube-scheduler and etcd, so that they can use the new certificates.\n`
}
