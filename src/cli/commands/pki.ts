/** `trustplane pki`: what `kubeadm init phase certs`, `kubeadm init phase kubeconfig` and `kubeadm certs` do, from a plan. */
import { resolve } from 'node:path'
import { type Command, Option } from 'commander'
import { type Clock, offsetClock, parseDuration } from '#clock.ts'
import { exitCodes } from '#errors.ts'
import { type Created, createPki } from '#pki/create.ts'
import { checkExpiration, expirationTable } from '#pki/expiration.ts'
import { loadPlan } from '#pki/plan.ts'
import { recordedPlan } from '#pki/plan-record.ts'
import type { Renewed } from '#pki/renew.ts'
import { keyAlgorithms, type Plan, type PlanChanges } from '#pki/types.ts'
import { createCommand, onRun } from '../command.ts'
import type { Io } from '../io.ts'
import { printDocument } from '../output.ts'

const formats = ['table', 'json', 'yaml'] as const

export function build(io?: Io): Command {
  return createCommand({
    name: 'pki',
    summary: 'make, look at and renew certificates, as kubeadm does',
    description: 'Everything in it is throw-away: never use these keys in production.',
    examples: [
      { does: "kubeadm's PKI, in .trustplane", line: 'trustplane pki init' },
      { does: 'When does what expire?', line: 'trustplane pki check-expiration' },
      { does: 'New certificates for everything', line: 'trustplane pki renew all' },
    ],
  })
    .addCommand(buildInit(io))
    .addCommand(buildCheckExpiration(io))
    .addCommand(buildRenew(io))
}

interface ClockOptions {
  clockOffset: string
}
const clockOption = () =>
  new Option(
    '--clock-offset <duration>',
    'issue and judge as if it were this much later (364d) or earlier (-10m)',
  ).default('0')
const clockOf = ({ clockOffset }: ClockOptions): Clock => offsetClock(parseDuration(clockOffset))

interface InitOptions extends ClockOptions {
  plan?: string
  force?: boolean
  nodeName?: string
  server?: string
  keyAlgorithm?: (typeof keyAlgorithms)[number]
  kubernetesVersion?: string
  certSans?: string
}

function buildInit(io: Io | undefined): Command {
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

interface PlanOptions extends ClockOptions {
  plan?: string
}
const planOption = (description = 'the plan, when it is not the one that the PKI was made from') =>
  new Option('--plan <file>', description)
const planFor = (options: { plan?: string; dir: string }): Promise<Plan> =>
  options.plan ? loadPlan(options.plan) : recordedPlan(options.dir)

function buildCheckExpiration(io: Io | undefined): Command {
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

function buildRenew(io: Io | undefined): Command {
  const command = createCommand({
    name: 'renew',
    summary: 'new keys and certificates, with the names and usages of those that are there',
    description:
      'As `kubeadm certs renew`: whatever its age, a certificate is renewed; names and usages come from it and not from the plan;\nthe CA in a kubeconfig stays as it is. Running components that read their files once must be restarted.',
    formats,
    examples: [
      { does: 'Everything that kubeadm renews', line: 'trustplane pki renew all' },
      { does: 'Some', line: 'trustplane pki renew apiserver admin.conf' },
    ],
  })
    .argument('<names...>', 'all, or names as check-expiration shows them')
    .addOption(planOption())
    .addOption(clockOption())
  return onRun<PlanOptions>(command, io, async (names, { io, options }) => {
    // it brings what makes certificates with it, which check-expiration need not wait for
    const { renewCertificates } = await import('#pki/renew.ts')
    const renewed = await renewCertificates(options.dir, await planFor(options), names, clockOf(options))
    if (options.output === 'table') io.stdout.write(describeRenewal(renewed, names.includes('all')))
    else {
      const items = renewed.map(({ notAfter, ...rest }) => ({
        ...rest,
        ...(notAfter ? { notAfter: rfc3339(notAfter) } : {}),
      }))
      await printDocument(io, 'RenewalList', { items }, options.output as 'json' | 'yaml')
    }
    return renewed.every(({ outcome }) => outcome === 'renewed') ? exitCodes.ok : exitCodes.findings
  })
}

function describeRenewal(renewed: readonly Renewed[], all: boolean): string {
  const lines = renewed.map(({ message }) => `${message}\n`).join('')
  if (!all) return lines
  return `${lines}\nDone renewing certificates. You must restart the kube-apiserver, kube-controller-manager, kube-scheduler and etcd, so that they can use the new certificates.\n`
}

const rfc3339 = (date: Date) => date.toISOString().replace('.000Z', 'Z')
const day = (date: Date) => rfc3339(date).slice(0, 10)
