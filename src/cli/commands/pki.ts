/** `trustplane pki`: certificates made, looked at, renewed and checked. A file a subcommand, in `pki/`. */
import type { Command } from 'commander'
import { createCommand } from '../command.ts'
import type { Io } from '../io.ts'
import { buildCheckExpiration } from './pki/check-expiration.ts'
import { buildController } from './pki/controller.ts'
import { buildGenerateCsr } from './pki/generate-csr.ts'
import { buildInit } from './pki/init.ts'
import { buildLint } from './pki/lint.ts'
import { buildRenew } from './pki/renew.ts'
import { buildTimeline } from './pki/timeline.ts'

export function build(io?: Io): Command {
  return createCommand({
    name: 'pki',
    summary: 'make, look at and renew certificates, as kubeadm does',
    description: 'Everything in it is throw-away: never use these keys in production.',
    examples: [
      { does: "kubeadm's PKI, in .trustplane", line: 'trustplane pki init' },
      { does: 'When does what expire?', line: 'trustplane pki check-expiration' },
      { does: 'New certificates for everything', line: 'trustplane pki renew all' },
      { does: 'What is unwise in it?', line: 'trustplane pki lint' },
    ],
  })
    .addCommand(buildInit(io))
    .addCommand(buildCheckExpiration(io))
    .addCommand(buildRenew(io))
    .addCommand(buildLint(io))
    .addCommand(buildGenerateCsr(io))
    .addCommand(buildTimeline(io))
    .addCommand(buildController(io))
}
