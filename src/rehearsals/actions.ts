/** What a step can do: a row each, by its name in rehearsal files. What it does to files is in `files.ts`, to a mesh in `live.ts`. */

/** - `replaced`: a name in `replaces` - `trust`: a trust slot, a kubeconfig, or a key pair - `watched`: a file that is read again
 * when it changes - `leaf`: a certificate or kubeconfig */
export type TargetKind = 'replaced' | 'trust' | 'watched' | 'leaf' | 'component' | 'binding' | 'slot' | 'pods'

export interface ActionSpec {
  name: string
  description: string
  kind: TargetKind
  /** It changes files, so that the files say whether it has been done. */
  files: boolean
}

export const actions = [
  {
    name: 'make',
    description: 'Make the new authority (or key pair) beside the old one: nothing uses it yet.',
    kind: 'replaced',
    files: true,
  },
  {
    name: 'trust-new',
    description:
      "Put the new authority beside the old one: in a trust slot's bundle, a kubeconfig's certificate-authority-data, or a key pair's .pub.",
    kind: 'trust',
    files: true,
  },
  {
    name: 'sign-with-new',
    description: 'Put the new authority (or key) where certificates (or tokens) are signed with it.',
    kind: 'replaced',
    files: true,
  },
  {
    name: 'reissue',
    description: 'Issue a certificate or kubeconfig anew, with a new key, by whoever signs now.',
    kind: 'leaf',
    files: true,
  },
  {
    name: 'distrust-old',
    description: 'Take the old authority out again, wherever `trust-new` may have put the new one.',
    kind: 'trust',
    files: true,
  },
  {
    name: 'restart',
    description: 'Stop a component and start it again: it reads all its files.',
    kind: 'component',
    files: false,
  },
  {
    name: 'await-reread',
    description: 'Wait until the component that watches the file has read it again.',
    kind: 'watched',
    files: false,
  },
  {
    name: 'apply-ca-bundle',
    description: 'Write the bundle into the caBundle of the APIService and of the webhook.',
    kind: 'slot',
    files: false,
  },
  {
    name: 'await-root-ca',
    description: 'Wait until every namespace has the bundle in its config map kube-root-ca.crt, where pods find it.',
    kind: 'slot',
    files: false,
  },
  {
    name: 'bind',
    description: 'Apply the ClusterRoleBinding that kubeadm would.',
    kind: 'binding',
    files: false,
  },
  {
    name: 'renew-tokens',
    description: 'Give pods new service-account tokens, as their kubelet does before the old ones expire.',
    kind: 'pods',
    files: false,
  },
  {
    name: 'restart-pods',
    description: 'Start pods anew: they read ca.crt at start, and get new tokens.',
    kind: 'pods',
    files: false,
  },
] as const satisfies readonly ActionSpec[]

export type ActionName = (typeof actions)[number]['name']

export const findAction = (name: string): ActionSpec | undefined => actions.find(action => action.name === name)
