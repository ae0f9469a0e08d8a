/** `trustplane pki init`: what `kubeadm init phase certs` and `kubeadm init phase kubeconfig` do, from a plan. */
import { resolve } from 'node:path'
import { type Command, Option } from 'commander'
import { type Created, createPki } from '#pki/create.ts'
import { keyAlgorithms, type PlanChanges } from '#pki/types.ts'
import { createCommand, onRun } from '../../command.ts'
import type { Io } from '../../io.ts'
import { printDocument } from '../../output.ts'
import { type ClockOptions, clockOf, clockOption, formats, planFor, planOption, rfc3339 } from './options.ts'

interface InitOptions extends ClockOptions {
  plan?: string
  force?: boolean
  nodeName?: string
  server?: string
  keyAlgorithm?: (typeof keyAlgorithms)[number]
  kubernetesVersion?: string
  certSans?: string
}

export function buildInit(io: Io | undefined): Command {
  const command = createCommand({
    name: 'init',
    summary: 'make a PKI from a plan; what is there already is kept',
    description:
      'Writes what `kubeadm init phase certs all` and `kubeadm init phase kubeconfig all` write, and what the other components need.\nAn existing CA signs what is missing; an existing key is never written over without --force.',
    formats,
    examples: [
      { does: "kubeadm's PKI, in .trustplane", line: 'trustplane pki init' },
      { does: "k3s' five CAs, elsewhere", line: 'trustplane pki init --plan k3s --dir /tmp/k3s' },
      {
        does: 'A plan of your own, as it would have been a year ago',
        line: 'trustplane pki init --plan my-plan.yaml --clock-offset -365d',
      },
      {
        does: 'As Kubernetes 1.28 did, with RSA keys',
        line: 'trustplane pki init --kubernetes-version 1.28 --key-algorithm RSA-2048',
      },
    ],
  })
    .addOption(
      planOption('a YAML file, or the name of one in certs/; else the one that is there was made from, or kubeadm'),
    )
    .option('--force', 'make everything anew, over existing keys')
    .option('--node-name <name>', 'instead of the plan’s cluster.nodeName')
    .option('--server <url>', 'what kubeconfigs dial, instead of the plan’s cluster.server')
    .option('--cert-sans <names>', 'more names and IPs for every serving certificate, separated by commas')
    .option('--kubernetes-version <version>', 'whose kubeadm to follow, instead of the plan’s')
    .addOption(new Option('--key-algorithm <name>', 'instead of the plan’s').choices(keyAlgorithms))
    .addOption(clockOption())
  return onRun<InitOptions>(command, io, async (_, { io, options, say }) => {
    const { dir, force = false } = options
    const overrides = overridesOf(options)
    const created = await createPki({
      plan: await planFor(options),
      dir,
      clock: clockOf(options),
      force,
      ...(overrides ? { overrides } : {}),
    })
    if (options.output !== 'table') {
      const { plan, written, kept, external } = created
      const files = written.map(({ file, notAfter }) => ({
        file,
        ...(notAfter ? { notAfter: rfc3339(notAfter) } : {}),
      }))
      const document = { dir: resolve(dir), plan: plan.name, written: files, kept, external }
      return printDocument(io, 'PkiInit', document, options.output as 'json' | 'yaml')
    }
    io.stdout.write(describe(created))
    if (created.written.length > 0) {
      say(
        `a throw-away PKI is in ${dir}: never use it in production. Next: trustplane pki check-expiration --dir ${dir}`,
      )
    }
  })
}

function overridesOf(options: InitOptions): PlanChanges | undefined {
  const names = options.certSans?.split(',').filter(Boolean)
  const changes: PlanChanges = {
    ...(options.kubernetesVersion ? { kubernetesVersion: options.kubernetesVersion } : {}),
    ...(options.keyAlgorithm ? { keyAlgorithm: options.keyAlgorithm } : {}),
    cluster: {
      ...(options.nodeName ? { nodeName: options.nodeName } : {}),
      ...(options.server ? { server: options.server } : {}),
      ...(names
        ? { apiServerCertSANs: names, etcdServerCertSANs: names, etcdPeerCertSANs: names, componentCertSANs: names }
        : {}),
    },
  }
  return Object.keys(changes).length > 1 || Object.keys(changes.cluster ?? {}).length > 0 ? changes : undefined
}

/** A line a certificate or kubeconfig; keys lie beside them and go unsaid. What was kept is said in kubeadm's words. */
function describe({ plan, written, kept, external }: Created): string {
  const keyPairs = new Set(plan.keyPairs.flatMap(row => [row.keyFile, row.publicKeyFile]))
  const made = written
    .filter(({ file, notAfter }) => notAfter || keyPairs.has(file) || file.startsWith('trust/'))
    .map(({ file, notAfter }) => (notAfter ? `${file}, valid until ${day(notAfter)}` : file))
  const names = (rows: readonly { name: string }[]) => rows.map(row => row.name).filter(name => kept.includes(name))
  return [
    ...names(plan.authorities).map(name => `Using existing ${name} certificate authority`),
    ...names(plan.certificates).map(name => `Using existing ${name} certificate and key on disk`),
    ...names(plan.kubeconfigs).map(name => `Using existing kubeconfig file: "${name}"`),
    ...names(plan.keyPairs).map(name => `Using the existing "${name}" key`),
    ...external.map(name => `Detected external ${name}: its key is not here, so it signs nothing`),
    ...made,
  ]
    .map(line => `${line}\n`)
    .join('')
}

const day = (date: Date) => rfc3339(date).slice(0, 10)
