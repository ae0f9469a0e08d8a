/** `trustplane pki check-expiration`: what `kubeadm certs check-expiration` prints. */
import type { Command } from 'commander'
import { exitCodes } from '#errors.ts'
import { checkExpiration, expirationTable } from '#pki/expiration.ts'
import { createCommand, onRun } from '../../command.ts'
import type { Io } from '../../io.ts'
import { clockOf, clockOption, formats, type PlanOptions, planFor, planOption } from './options.ts'

export function buildCheckExpiration(io: Io | undefined): Command {
  const command = createCommand({
    name: 'check-expiration',
    summary: "kubeadm's table of what expires when",
    description:
      'Prints what `kubeadm certs check-expiration` prints; -o json is its CertificateExpirationInfo.\nUnlike kubeadm, it exits with 1 when something has expired or is missing.',
    formats,
    examples: [
      { does: 'In .trustplane', line: 'trustplane pki check-expiration' },
      { does: 'What will have expired in a year?', line: 'trustplane pki check-expiration --clock-offset 366d' },
      { does: 'Your own', line: 'trustplane pki check-expiration --dir /etc/kubernetes -o json' },
    ],
  })
    .option('--all', 'also what kubeadm leaves out: kubelet.conf, kubelets’ serving certificates, self-signed ones')
    .addOption(planOption())
    .addOption(clockOption())
  return onRun<PlanOptions & { all?: boolean }>(command, io, async (_, { io, options }) => {
    const plan = await planFor(options)
    const info = await checkExpiration(options.dir, plan, clockOf(options).now(), { all: options.all ?? false })
    if (options.output === 'table') {
      const table = expirationTable(info)
      io.stdout.write(options.headers ? table : table.replace(/^CERTIFICATE .*\n/gm, ''))
    } else if (options.output === 'json') io.stdout.write(`${JSON.stringify(info, null, 4)}\n`)
    else io.stdout.write((await import('yaml')).stringify(info))
    const rows = [...info.certificates, ...info.certificateAuthorities]
    return rows.some(row => row.missing || row.residualTime < 0) ? exitCodes.findings : exitCodes.ok
  })
}
