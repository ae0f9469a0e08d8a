/** What a scenario can do to a mesh that runs: a row each, by its name in scenario files. What a step does is in `performers/`. */
import type { AttributeKind, Attributes } from './attributes.ts'
import { command } from './notices/command.ts'
import { request } from './notices/request.ts'

export interface StepSpec {
  name: string
  description: string
  /** What stands after its name: one, or a list. */
  kind?: AttributeKind
  /** What stands after its name, when that has keys of its own. */
  attributes?: Attributes
}

/** Each of them is a look, not a deed: the runner takes them. */
const lookSteps = ['expect', 'notices', 'run', 'request'] as const

export const steps = [
  {
    name: 'renew',
    description: 'Issue a certificate or kubeconfig anew, as the plan without faults has it.',
    kind: 'certificate',
  },
  {
    name: 'restart',
    description: 'Stop a component and start it again: it reads all its files.',
    kind: 'component',
  },
  {
    name: 'restore-trust',
    description: 'Give a trust slot the authorities that the plan has there, and restart its component.',
    kind: 'slot',
  },
  {
    name: 'restore-flags',
    description: 'Start a component again without the flags that faults added.',
    kind: 'program',
  },
  {
    name: 'restore-clock',
    description: "Set a component's clock right, or with `all` everybody's.",
    kind: 'clock',
  },
  {
    name: 'restore-files',
    description: 'Put files back as they were made: content and mode.',
    kind: 'file',
  },
  {
    name: 'start-over',
    description: 'Make everything anew as the plan without faults has it, and restart every component.',
    kind: 'everything',
  },
  {
    name: 'break',
    description: 'Bring a fault about while everything runs. Nothing is restarted, but for flags.',
    kind: 'fault',
  },
  {
    name: 'replace',
    description:
      'Issue certificates, kubeconfigs or authorities anew with these fields, as in a plan, and put them in place. Nothing is restarted.',
    kind: 'rows',
  },
  {
    name: 'replace-trust',
    description: "Write these authorities into the file of a trust slot's bundle. Nothing is restarted.",
    kind: 'trust',
  },
  {
    name: 'copy',
    description: 'Put one file in the place of another: `to: from`, below the state directory.',
    kind: 'files',
  },
  {
    name: 'write',
    description: 'Write a text into a file below the state directory.',
    kind: 'map',
  },
  {
    name: 'remove',
    description: 'Delete files below the state directory.',
    kind: 'file',
  },
  {
    name: 'chmod',
    description: 'Give files below the state directory a mode.',
    kind: 'modes',
  },
  {
    name: 'reload',
    description:
      'Touch the files on the command line of a component: what its original watches is read again, for the rest it needs a restart.',
    kind: 'component',
  },
  {
    name: 'stop',
    description: 'Stop a component.',
    kind: 'component',
  },
  {
    name: 'wait-until',
    description: 'Go on when this has come about. When it does not within its time, it is said what was waited for.',
    kind: 'condition',
  },
  {
    name: 'advance-clock',
    description: "Put clocks forward while everything runs. The machine's own clock stays as it is.",
    attributes: {
      by: { kind: 'duration', description: 'How far; `-10m` is back.' },
      component: { kind: 'component', optional: true, description: 'Whose. Left out: everybody’s.' },
    },
  },
  {
    name: 'run',
    description: `${command.description} It must end with 0 unless \`exit\` says otherwise.`,
    attributes: command.attributes,
  },
  {
    name: 'request',
    description: `${request.description} It must be answered 2xx unless told otherwise.`,
    attributes: request.attributes,
  },
  {
    name: 'apply',
    description: 'Create or change Kubernetes objects, as admin.',
    kind: 'objects',
  },
  {
    name: 'delete',
    description: 'Delete Kubernetes objects, as admin: apiVersion, kind, name and namespace are enough.',
    kind: 'objects',
  },
  {
    name: 'approve',
    description: 'Approve CSRs by name, or with `all` those that nobody has decided on.',
    kind: 'text',
  },
  {
    name: 'deny',
    description: 'Deny CSRs by name, or with `all` those that nobody has decided on.',
    kind: 'text',
  },
  {
    name: 'expect',
    description: 'Dial every connection now, and hold it against this: for stories of several acts.',
    kind: 'expectations',
  },
  {
    name: 'notices',
    description: 'Look for what people notice now.',
    kind: 'notices',
  },
] as const satisfies readonly StepSpec[]

export type StepName = (typeof steps)[number]['name']
/** Those that do something. */
export type DeedName = Exclude<StepName, (typeof lookSteps)[number]>

export const findStep = (name: string): StepSpec | undefined => steps.find(step => step.name === name)
export const isLook = (name: string): boolean => (lookSteps as readonly string[]).includes(name)
