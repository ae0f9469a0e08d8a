import { changeRow, type Fault, formerAuthority, renewed, text } from './fault.ts'

export const staleKubeconfig: Fault = {
  name: 'stale-kubeconfig',
  summary: 'a kubeconfig still has the CA of a former cluster: the same name, another key',
  attributes: {
    certificate: { kind: 'certificate', description: 'Which one: admin.conf.' },
    commonName: { kind: 'text', description: 'The name of both CAs.' },
  },
  apply(given, attributes) {
    const former = formerAuthority(given, text(attributes, 'commonName'))
    changeRow(given, text(attributes, 'certificate'), { trust: [former] })
  },
  undo: renewed,
}
