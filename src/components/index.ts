/** Every stand-in by its name; its code is loaded when it is asked for, and not before: a process runs one of them. */
import type { Component, ProgramName } from './component.ts'

/** Each folder's index.ts exports its `component`. */
const loaders: Record<ProgramName, () => Promise<{ component: Component }>> = {
  etcd: () => import('./etcd/index.ts'),
  'kube-apiserver': () => import('./kube-apiserver/index.ts'),
  'kube-controller-manager': () => import('./kube-controller-manager/index.ts'),
  'kube-scheduler': () => import('./kube-scheduler/index.ts'),
  kubelet: () => import('./kubelet/index.ts'),
  'kube-proxy': () => import('./kube-proxy/index.ts'),
  'extension-apiserver': () => import('./extension-apiserver/index.ts'),
  'hollow-node': () => import('./hollow-node/index.ts'),
}

export async function loadComponent(name: ProgramName): Promise<Component> {
  return (await loaders[name]()).component
}
