/** `trustplane up`: starts a control plane and shows every connection; Ctrl-C stops it. With --detach it goes on by itself. */
import { type Command, Option } from 'commander'
import { parseDuration } from '#clock.ts'
import { TrustplaneError } from '#errors.ts'
import type { MeshOptions } from '#mesh/launcher.ts'
import { type ActionContext, createCommand, onRun, wholeNumber } from '../command.ts'
import type { Io } from '../io.ts'

export interface UpOptions {
  plan: string
  ports: string
  nodes: number
  etcdMembers?: number
  etcdBinary?: string
  restart?: boolean
  bootstrap?: boolean
  approveServing?: boolean
  detach?: boolean
  clockOffset: string
  clockRate: number
  voice: 'go1.19' | 'go1.24'
}

export function build(io?: Io): Command {
  const command = createCommand({
    name: 'up',
    summary: 'start a control plane and show every connection',
    description:
      'Makes the certificates that are missing, starts etcd, the apiserver and all others as processes of their own, and dials every\nconnection. Stays in the foreground and tells what changes; Ctrl-C stops everything.',
    formats: ['table', 'wide', 'json', 'yaml'],
    examples: [
      { does: 'On the ports that Kubernetes uses', line: 'trustplane up' },
      {
        does: 'In the background, on free ports, in a directory of its own',
        line: 'trustplane up --detach --ports random --dir /tmp/mesh',
      },
      { does: 'On a real etcd', line: 'trustplane up --etcd-binary "$(which etcd)"' },
      {
        does: 'As it will be in a year, when the certificates are past their day',
        line: 'trustplane up --clock-offset 364d',
      },
      {
        does: 'A year of renewals in an hour',
        line: 'trustplane up --bootstrap --clock-rate 8766',
      },
      {
        does: 'With a node that joins by itself, as kubeadm join does it',
        line: 'trustplane up --bootstrap',
      },
    ],
  })
    .addOption(
      new Option('--pki, --plan <file>', 'the PKI plan: a YAML file, or the name of one in certs/').default('kubeadm'),
    )
    .addOption(
      new Option('--ports <which>', 'kubernetes, random, or NAME=PORT,… for some of them').default('kubernetes'),
    )
    .addOption(new Option('--nodes <number>', 'how many kubelets').default(1).argParser(wholeNumber(1, 100)))
    .addOption(
      new Option('--etcd-members <number>', 'how many members of etcd; an odd number survives more').argParser(
        wholeNumber(1, 7),
      ),
    )
    .addOption(
      new Option(
        '--bootstrap',
        'nodes join with nothing but a bootstrap token: `kubectl get csr` shows how; serving certificates wait for `kubectl certificate approve`',
      ),
    )
    .addOption(
      new Option('--approve-serving', 'with --bootstrap: serving certificates are approved by the controller-manager'),
    )
    .addOption(new Option('--etcd-binary <file>', 'a real etcd in etcd’s place: same files, same flags'))
    .addOption(new Option('--restart', 'start a component again that dies'))
    .addOption(new Option('-d, --detach', 'return when every connection was dialled, and let it run'))
    .addOption(
      new Option(
        '--clock-offset <duration>',
        'judge and issue as if it were this much later (364d) or earlier (-10m)',
      ).default('0'),
    )
    .addOption(
      new Option(
        '--clock-rate <number>',
        'from when every connection was dialled, let certificates age this many times as fast: at 8766 a year takes an hour',
      )
        .default(1)
        .argParser(wholeNumber(1, 1_000_000)),
    )
    .addOption(new Option('--voice <version>', 'whose words and rules').choices(['go1.19', 'go1.24']).default('go1.24'))
  return onRun<UpOptions>(command, io, async (_, context) => {
    const { parsePorts } = await import('#mesh/ports.ts')
    const { options } = context
    // what is wrong with the flags is said before anything is forked
    const ports = parsePorts(options.ports)
    const clockOffsetMs = parseDuration(options.clockOffset)
    if (options.detach) {
      const { detach } = await import('../up-detached.ts')
      return detach(context)
    }
    const { runInForeground } = await import('../up-foreground.ts')
    return runInForeground(context, {
      dir: options.dir,
      plan: options.plan,
      ports,
      nodes: options.nodes,
      ...(options.etcdMembers ? { etcdMembers: options.etcdMembers } : {}),
      restart: options.restart ?? false,
      ...(options.bootstrap ? { bootstrap: { approveServing: options.approveServing ?? false } } : {}),
      clockOffsetMs,
      voice: options.voice,
      ...(options.etcdBinary === undefined ? {} : { etcdBinary: await executable(options.etcdBinary) }),
    } satisfies MeshOptions)
  })
}

/** @throws TrustplaneError TP_PROGRAM_MISSING */
async function executable(file: string): Promise<string> {
  const { access, constants } = await import('node:fs/promises')
  const { resolve } = await import('node:path')
  const path = resolve(file)
  try {
    await access(path, constants.X_OK)
    return path
  } catch (cause) {
    throw new TrustplaneError('TP_PROGRAM_MISSING', `--etcd-binary: cannot run ${JSON.stringify(file)}`, {
      fix: 'give the path of an etcd: --etcd-binary "$(which etcd)"',
      cause,
    })
  }
}

export type UpContext = ActionContext<UpOptions>
