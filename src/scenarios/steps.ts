/** What a scenario can do to a mesh that runs: a row each, by its name in scenario files. What a step does is in `perform.ts`. */
import type { AttributeKind } from './faults/fault.ts'

export interface StepSpec {
  name: string
  description: string
  /** What its targets are. */
  kind: AttributeKind
}

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
    kind: 'component',
  },
  {
    name: 'restore-clock',
    description: "Set a component's clock right, by starting it again.",
    kind: 'component',
  },
] as const satisfies readonly StepSpec[]

export type StepName = (typeof steps)[number]['name']
