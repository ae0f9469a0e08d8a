/** `trustplane kubeconfig`: where the kubeconfig is, and how to use it. ~/.kube/config is never touched. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { TrustplaneError } from '#errors.ts'
import { createCommand, onRun } from '../command.ts'
import type { Io } from '../io.ts'
import { printDocument } from '../output.ts'

const users: Record<string, string> = {
  admin: 'kubernetes-admin, bound to cluster-admin through the group kubeadm:cluster-admins',
  'super-admin': 'kubernetes-super-admin of system:masters, which RBAC cannot restrict',
}

export function build(io?: Io): Command {
  const command = createCommand({
    name: 'kubeconfig',
    summary: 'how to point kubectl at it',
    description: 'Prints the path of the kubeconfig. ~/.kube/config is never touched.',
    formats: ['table', 'json', 'yaml'],
    examples: [
      { does: 'Use kubectl against the mesh in .trustplane', line: 'export KUBECONFIG=$(trustplane kubeconfig)' },
      {
        does: 'As the user whom RBAC cannot restrict',
        line: 'kubectl --kubeconfig $(trustplane kubeconfig super-admin) get nodes',
      },
    ],
  }).argument('[user]', Object.keys(users).join(' or '), 'admin')
  return onRun(command, io, async ([user = 'admin'], { io, options, say }) => {
    const file = resolve(options.dir, `${user}.conf`)
    if (!(user in users)) {
      throw new TrustplaneError('TP_NAME_UNKNOWN', `no kubeconfig for ${JSON.stringify(user)}`, {
        fix: `one of ${Object.keys(users).join(', ')}`,
      })
    }
    if (!existsSync(file)) {
      throw new TrustplaneError('TP_PKI_MISSING', `there is no kubeconfig: ${file}`, {
        fix: `run \`trustplane up\` or \`trustplane pki init --dir ${options.dir}\``,
      })
    }
    if (options.output !== 'table')
      return printDocument(io, 'KubeconfigPath', { file, user: users[user] }, options.output as 'json' | 'yaml')
    io.stdout.write(`${file}\n`)
    if (io.interactive) say(`# export KUBECONFIG=${file}`)
  })
}
