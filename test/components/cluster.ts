/** A small cluster in one process, for tests: PKI, etcd and kube-apiserver stand-ins on free ports, kubeconfigs that point there. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { type Clock, systemClock } from '#clock.ts'
import type { Component, ComponentContext, RunningComponent } from '#components/component.ts'
import type { Client } from '#kubernetes/client.ts'
import { createClient } from '#kubernetes/from-kubeconfig.ts'
import { createLog, type Log, silentLog } from '#log.ts'
import { createPki } from '#pki/create.ts'
import { withServer } from '#pki/kubeconfig.ts'
import { loadPlan } from '#pki/plan.ts'
import { type MemoryRecords, memoryRecords } from '#tls/records.ts'

export interface Cluster {
  dir: string
  /** A file of the PKI. */
  file(path: string): string
  context: ComponentContext
  records: MemoryRecords
  /** As super-admin.conf. */
  admin: Client
  client(kubeconfig: string): Client
  server: string
  /** Starts a component in this process; it is stopped when the test ends. */
  start(component: Component, argv: readonly string[], more?: Partial<ComponentContext>): Promise<RunningComponent>
}

const log: Log = process.env.TEST_LOG ? createLog({ component: 'test', verbosity: 2 }) : silentLog

/** @param apiserverFlags more of them, for files in the cluster's folder */
export async function startCluster(
  t: Test,
  clock: Clock = systemClock,
  apiserverFlags: (file: Cluster['file']) => readonly string[] = () => [],
): Promise<Cluster> {
  const dir = t.testdir()
  const file = (path: string) => join(dir, path)
  await createPki({ plan: await loadPlan(), dir })
  const records = memoryRecords()
  const context: ComponentContext = { clock, voice: 'go1.24', log, records }
  const running: RunningComponent[] = []
  t.teardown(async () => {
    for (const one of running.reverse()) await one.stop()
  })
  const start: Cluster['start'] = async (component, argv, more = {}) => {
    const one = await component.start(argv, { ...context, ...more })
    running.push(one)
    return one
  }

  const { component: etcd } = await import('#components/etcd/index.ts')
  const { component: apiserver } = await import('#components/kube-apiserver/index.ts')
  const { addresses } = await start(etcd, [
    '--listen-client-urls=https://127.0.0.1:0',
    '--advertise-client-urls=https://127.0.0.1:0',
    '--listen-peer-urls=https://127.0.0.1:0',
    `--cert-file=${file('pki/etcd/server.crt')}`,
    `--key-file=${file('pki/etcd/server.key')}`,
    '--client-cert-auth=true',
    `--trusted-ca-file=${file('pki/etcd/ca.crt')}`,
    `--peer-cert-file=${file('pki/etcd/peer.crt')}`,
    `--peer-key-file=${file('pki/etcd/peer.key')}`,
    '--peer-client-cert-auth=true',
    `--peer-trusted-ca-file=${file('pki/etcd/ca.crt')}`,
  ])
  const api = await start(apiserver, [
    '--bind-address=127.0.0.1',
    '--secure-port=0',
    '--authorization-mode=Node,RBAC',
    '--enable-admission-plugins=NodeRestriction',
    '--enable-bootstrap-token-auth=true',
    `--client-ca-file=${file('pki/ca.crt')}`,
    `--etcd-servers=https://127.0.0.1:${addresses.client!.port}`,
    `--etcd-cafile=${file('pki/etcd/ca.crt')}`,
    `--etcd-certfile=${file('pki/apiserver-etcd-client.crt')}`,
    `--etcd-keyfile=${file('pki/apiserver-etcd-client.key')}`,
    `--kubelet-certificate-authority=${file('pki/ca.crt')}`,
    `--kubelet-client-certificate=${file('pki/apiserver-kubelet-client.crt')}`,
    `--kubelet-client-key=${file('pki/apiserver-kubelet-client.key')}`,
    '--kubelet-preferred-address-types=InternalIP',
    `--proxy-client-cert-file=${file('pki/front-proxy-client.crt')}`,
    `--proxy-client-key-file=${file('pki/front-proxy-client.key')}`,
    `--requestheader-client-ca-file=${file('pki/front-proxy-ca.crt')}`,
    '--requestheader-allowed-names=front-proxy-client',
    '--requestheader-username-headers=X-Remote-User',
    '--requestheader-group-headers=X-Remote-Group',
    '--requestheader-extra-headers-prefix=X-Remote-Extra-',
    '--service-account-issuer=https://kubernetes.default.svc.cluster.local',
    `--service-account-key-file=${file('pki/sa.pub')}`,
    `--service-account-signing-key-file=${file('pki/sa.key')}`,
    `--tls-cert-file=${file('pki/apiserver.crt')}`,
    `--tls-private-key-file=${file('pki/apiserver.key')}`,
    ...apiserverFlags(file),
  ])
  const server = `https://127.0.0.1:${api.addresses.secure!.port}`
  for (const name of ['admin', 'super-admin', 'controller-manager', 'scheduler', 'kubelet', 'kube-proxy']) {
    const path = file(`${name}.conf`)
    writeFileSync(path, withServer(readFileSync(path, 'utf8'), server), { mode: 0o600 })
  }
  const clients: Client[] = []
  t.teardown(() => Promise.all(clients.map(client => client.close())))
  const client = (kubeconfig: string) => {
    const made = createClient({
      ...context,
      kubeconfig: file(kubeconfig),
      component: 'test',
      from: 'kubectl',
      to: 'kube-apiserver',
    })
    clients.push(made)
    return made
  }
  return { dir, file, context, records, admin: client('super-admin.conf'), client, server, start }
}

/** The first of a watch that fits; fails loudly after 20 s rather than by tap's timeout. */
export async function until<T>(what: string, attempt: () => Promise<T | undefined | false>, ms = 20_000): Promise<T> {
  const deadline = performance.now() + ms
  for (;;) {
    const found = await attempt()
    if (found) return found
    if (performance.now() > deadline) throw new Error(`not within ${ms} ms: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}
