/** `trustplane pki generate-csr`: what `kubeadm certs generate-csr` does. */
import type { Command } from 'commander'
import { createCommand, onRun } from '../../command.ts'
import type { Io } from '../../io.ts'
import { printDocument } from '../../output.ts'
import { formats, planFor, planOption } from './options.ts'

interface GenerateOptions {
  plan?: string
  certDir?: string
  kubeconfigDir?: string
}

export function buildGenerateCsr(io: Io | undefined): Command {
  const command = createCommand({
    name: 'generate-csr',
    summary: 'keys and signing requests, for a CA that somebody else holds',
    description:
      'As `kubeadm certs generate-csr`: a .key and a .csr for every certificate, and kubeconfigs that have a key and no certificate yet.\nA request carries names and no usages: who signs must add them (-o json lists them). What is there already is never written over.',
    formats,
    examples: [
      {
        does: 'Into folders of their own',
        line: 'trustplane pki generate-csr --kubeconfig-dir /tmp/k8s --cert-dir /tmp/k8s/pki',
      },
    ],
  })
    .option('--cert-dir <folder>', 'where keys and requests of certificates go; else pki in --dir')
    .option('--kubeconfig-dir <folder>', 'where kubeconfigs and their requests go; else --dir')
    .addOption(planOption())
  return onRun<GenerateOptions>(command, io, async (_, { io, options, say }) => {
    const { generateSigningRequests } = await import('#pki/generate-csr.ts')
    const { certDir = `${options.dir}/pki`, kubeconfigDir = options.dir } = options
    const items = await generateSigningRequests({ plan: await planFor(options), dir: kubeconfigDir, certDir })
    if (options.output !== 'table')
      return printDocument(io, 'SigningRequestList', { items }, options.output as 'json' | 'yaml')
    const lines = (folder: string, kubeconfigs: boolean) => [
      `generating keys and CSRs in ${folder}`,
      ...items.filter(({ key }) => key.endsWith('.conf') === kubeconfigs).map(({ name }) => `  ${name}`),
    ]
    io.stdout.write([...lines(certDir, false), ...lines(kubeconfigDir, true), ''].join('\n'))
    say(
      'next: have every .csr signed (with its usages), and put each certificate beside its key as .crt, or into its kubeconfig',
    )
  })
}
