/** Every stand-in by its name; its code is loaded when it is asked for, and not before: a process runs one of them. */
import type { Component, ComponentName } from './component.ts'

/** Each folder's main file exports its `component`. */
const loaders: Record<ComponentName, () => Promise<{ component: Component }>> = {
  etcd: () => import('./etcd/etcd.ts'),
  'kube-apiserver': () => import('./kube-apiserver/kube-apiserver.ts'),
  'kube-controller-manager': () => import('./kube-controller-manager/kube-controller-manager.ts'),
  'kube-scheduler': () => import('./kube-scheduler/kube-scheduler.ts'),
  kubelet: () => import('./kubelet/kubelet.ts'),
  'kube-proxy': () => import('./kube-proxy/kube-proxy.ts'),
  'extension-apiserver': () => import('./extension-apiserver/extension-apiserver.ts'),
}

export async function loadComponent(name: ComponentName): Promise<Component> {
  return (await loaders[name]()).component
}
