/** `trustplane --help`, made from the tables. */
import { programNames } from '#components/component.ts'
import { commands } from './commands.ts'

export function rootHelp(): string {
  const groups = [...new Set(commands.map(command => command.group))]
  const width = Math.max(...commands.map(command => command.name.length))
  const sections = groups.map(group => {
    const lines = commands
      .filter(command => command.group === group)
      .map(command => `  ${command.name.padEnd(width)}   ${command.summary}`)
    return `${group}:\n${lines.join('\n')}`
  })
  return `trustplane runs a Kubernetes control plane of small processes whose TLS is real and mutual,
and shows which connection fails, at which end, at which layer, and what mends it.
Its certificates are throw-away: never use them in production.

Usage:
  trustplane <command> [flags]

${sections.join('\n\n')}

Components, each with its original's flags:
  ${programNames.join(', ')}

Examples:
  # Start everything, look at every connection; Ctrl-C stops it
  trustplane up

  # Use your own kubectl against it
  export KUBECONFIG=$PWD/.trustplane/admin.conf && kubectl get nodes

  # Why does the scheduler get no answer?
  trustplane explain kube-scheduler kube-apiserver

  # Fail on purpose, and check that it fails where it should
  trustplane run scenarios/

Use "trustplane <command> --help" for more about a command. Every flag can come from the environment:
TRUSTPLANE_DIR for --dir, TRUSTPLANE_OUTPUT for --output, and so on.
`
}
