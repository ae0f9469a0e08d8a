/** `trustplane bootstrap`: the objects that `kubeadm init` applies, for components that were started by hand or in containers. */
import { type Command, Option } from 'commander'
import { TrustplaneError } from '#errors.ts'
import { bootstrap } from '#mesh/bootstrap-client.ts'
import { parseHosts } from '#mesh/layout.ts'
import { openLayout } from '#mesh/open.ts'
import { createCommand, onRun } from '../command.ts'
import type { Io } from '../io.ts'

export function build(io?: Io): Command {
  const command = createCommand({
    name: 'bootstrap',
    summary: 'apply the objects that kubeadm init would: bindings, the aggregated API, the webhook',
    description: '`trustplane up` does it by itself. What is there already is brought up to date.',
    examples: [
      {
        does: 'For the containers of docker-compose.yml',
        line: 'trustplane bootstrap --hosts services --dir /etc/kubernetes',
      },
    ],
  }).addOption(
    new Option('--hosts <which>', 'where the components are: services (as in docker-compose.yml), or NAME=HOST,…'),
  )
  return onRun<{ hosts?: string }>(command, io, async (_, { options, style, say }) => {
    const layout = await openLayout(options.dir)
    if (!layout) {
      throw new TrustplaneError('TP_PKI_MISSING', `there is no PKI in ${options.dir}`, {
        fix: `trustplane pki init --dir ${options.dir}`,
      })
    }
    const hosts = options.hosts === undefined ? layout.hosts : parseHosts(options.hosts, layout.nodes)
    await bootstrap({ layout: { ...layout, hosts } })
    say(`${style.symbol('ok')} kubeadm's bindings, the aggregated API and the webhook are there`)
  })
}
