/** The commands, as `trustplane --help` lists them. A command's file is loaded when it is called, and not before: start-up must be quick. */
import type { Command } from 'commander'
import type { Io } from './io.ts'

export interface CommandEntry {
  name: string
  summary: string
  group: string
  load(): Promise<{ build(io: Io): Command }>
}

export const commands: readonly CommandEntry[] = [
  {
    name: 'up',
    summary: 'start a control plane and show every connection',
    group: 'A control plane',
    load: () => import('./commands/up.ts'),
  },
  {
    name: 'status',
    summary: 'what both ends of every connection last saw',
    group: 'A control plane',
    load: () => import('./commands/status.ts'),
  },
  {
    name: 'probe',
    summary: 'dial every connection afresh',
    group: 'A control plane',
    load: () => import('./commands/probe.ts'),
  },
  {
    name: 'explain',
    summary: 'both sides of a connection, and what mends it; or a scenario, a reason, an error code',
    group: 'A control plane',
    load: () => import('./commands/explain.ts'),
  },
  {
    name: 'logs',
    summary: "a component's log",
    group: 'A control plane',
    load: () => import('./commands/logs.ts'),
  },
  {
    name: 'kubeconfig',
    summary: 'how to point kubectl at it',
    group: 'A control plane',
    load: () => import('./commands/kubeconfig.ts'),
  },
  {
    name: 'bootstrap',
    summary: 'apply what kubeadm init applies, to components that `up` did not start',
    group: 'A control plane',
    load: () => import('./commands/bootstrap.ts'),
  },
  {
    name: 'restart',
    summary: 'stop a component and start it again: it reads all its files',
    group: 'A control plane',
    load: () => import('./commands/restart.ts'),
  },
  {
    name: 'down',
    summary: 'stop it; no process and no port stays behind',
    group: 'A control plane',
    load: () => import('./commands/down.ts'),
  },
  {
    name: 'run',
    summary: 'run scenarios: break something, and check who refuses whom, where and why',
    group: 'Scenarios',
    load: () => import('./commands/run.ts'),
  },
  {
    name: 'rehearse',
    summary: 'practise a rotation: every step under traffic, and what it would break',
    group: 'Scenarios',
    load: () => import('./commands/rehearse.ts'),
  },
  {
    name: 'drill',
    summary: 'break something unseen; find it, mend it, have it checked',
    group: 'Scenarios',
    load: () => import('./commands/drill.ts'),
  },
  {
    name: 'new',
    summary: 'write a commented scenario to start from',
    group: 'Scenarios',
    load: () => import('./commands/new.ts'),
  },
  {
    name: 'verify',
    summary: 'judge a certificate chain as Go does',
    group: 'Certificates',
    load: () => import('./commands/verify.ts'),
  },
  {
    name: 'badtls',
    summary: 'a server for each TLS defect, or each faulty client certificate against your server',
    group: 'Certificates',
    load: () => import('./commands/badtls.ts'),
  },
  {
    name: 'diff',
    summary: 'what changes between two PKIs: connections, and who can be whom',
    group: 'Certificates',
    load: () => import('./commands/diff.ts'),
  },
  {
    name: 'pki',
    summary: 'make, look at and check certificates, as kubeadm does',
    group: 'Certificates',
    load: () => import('./commands/pki.ts'),
  },
]
