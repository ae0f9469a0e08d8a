/** A node that joins with nothing but a bootstrap token: what it asks for, who says yes, and what becomes of it when its certificate has died. */
import { existsSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { manualClock } from '#clock.ts'
import type { Client } from '#kubernetes/client.ts'
import { createClient } from '#kubernetes/from-kubeconfig.ts'
import { createInformer } from '#kubernetes/informer.ts'
import { resources } from '#kubernetes/resources.ts'
import { StatusError } from '#kubernetes/status.ts'
import type { CertificateSigningRequest, KubeObject } from '#kubernetes/types.ts'
import { silentLog } from '#log.ts'
import { startMesh } from '#mesh/launcher.ts'
import type { Mesh } from '#mesh/mesh.ts'
import { memoryRecords } from '#tls/records.ts'
import { until } from '../cluster.ts'

// a whole mesh, and the machine may be busy
t.setTimeout(300_000)

const minuteMs = 60_000

t.test(
  'a node joins by CSR, serves once a person agreed, and finds its way back or ends when its certificate has died',
  async t => {
    const clock = manualClock()
    const mesh = await startMesh({
      isolation: 'in-process',
      bootstrap: true,
      clock,
      settleMs: 60_000,
      flags: { 'kube-controller-manager': ['--cluster-signing-duration=1h'] },
    })
    t.teardown(() => mesh.stop())
    const admin = createClient({
      component: 'test',
      from: 'test',
      to: 'kube-apiserver',
      clock,
      voice: 'go1.24',
      log: silentLog,
      records: memoryRecords(),
      kubeconfig: mesh.kubeconfig,
    })
    t.teardown(() => admin.close())
    const csrs = createInformer({ client: admin, resource: resources.csrs, log: silentLog }).start()
    t.teardown(() => csrs.stop())
    const requests = (signer: string) => csrs.list().filter(({ spec }) => spec.signerName === `kubernetes.io/${signer}`)
    const folder = join(mesh.dir, 'kubelet/node-1/pki')

    await t.test('the client certificate is approved by itself, and signed', async t => {
      await mesh.member('kubelet').settled(10_000)
      const [request] = await until('the request', async () => {
        const found = requests('kube-apiserver-client-kubelet')
        return found[0]?.status?.certificate && found
      })
      t.match(request, {
        spec: {
          username: /^system:bootstrap:[a-z0-9]{6}$/,
          groups: ['system:bootstrappers', 'system:bootstrappers:kubeadm:default-node-token', 'system:authenticated'],
          usages: ['digital signature', 'client auth'],
        },
        status: {
          conditions: [
            {
              type: 'Approved',
              reason: 'AutoApproved',
              message: 'Auto approving kubelet client certificate after SubjectAccessReview.',
            },
          ],
        },
      })
      t.match(readFileSync(join(mesh.dir, 'kubelet.conf'), 'utf8'), /client-certificate: .*kubelet-client-current\.pem/)
      const current = join(folder, 'kubelet-client-current.pem')
      t.match(readlinkSync(current), /^kubelet-client-\d{4}(-\d\d){5}\.pem$/)
      t.equal(statSync(current).mode & 0o777, 0o600)
      t.ok(await until('the node', () => admin.get(resources.nodes, { name: 'node-1' }).catch(() => undefined)))
    })

    await t.test(
      'the serving certificate waits for a person, and logs fail until then as they do for real',
      async t => {
        await admin.create(resources.pods, {
          metadata: { name: 'web', namespace: 'default' },
          spec: { containers: [{ name: 'web', image: 'nginx' }] },
        })
        await until('the pod', async () => {
          const pod = await admin.get(resources.pods, { namespace: 'default', name: 'web' })
          return pod.status?.phase === 'Running'
        })
        const [pending] = await until('the request', async () => {
          const found = requests('kubelet-serving')
          return found.length > 0 && found
        })
        t.equal(pending!.spec.username, 'system:node:node-1')
        t.equal(pending!.status?.conditions, undefined)
        const refused = await logs(admin)
        t.equal(refused.status, 500)
        t.match(refused.text, /containerLogs\/default\/web\/web\\": remote error: tls: internal error/)

        await decide(admin, pending!, 'Approved')
        const { text } = await until('logs', async () => {
          const answer = await logs(admin)
          return answer.status === 200 && answer
        })
        t.match(text, /nginx/)
        t.ok(existsSync(join(folder, 'kubelet-server-current.pem')))
      },
    )

    await t.test('a request that is denied says so, and goes after an hour', async t => {
      const { items } = await admin.list(resources.csrs)
      // not one that the controller-manager approves
      const spec = {
        request: items[0]!.spec.request,
        signerName: 'kubernetes.io/kube-apiserver-client',
        usages: ['client auth'],
      }
      const unwanted = { metadata: { name: 'unwanted' }, spec } as CertificateSigningRequest
      const made = await admin.create(resources.csrs, unwanted)
      const denied = await decide(admin, made, 'Denied')
      t.match(denied.status?.conditions, [{ type: 'Denied', status: 'True' }])
      await t.rejects(decide(admin, denied, 'Approved'), /mutually exclusive/)
      await mesh.member('kubelet').stop()
      clock.advance(61 * minuteMs)
      await until('gone', async () => csrs.get('unwanted') === undefined)
      t.pass()
    })

    await t.test('a kubelet whose certificate died while it was off bootstraps anew', async t => {
      const before = readlinkSync(join(folder, 'kubelet-client-current.pem'))
      await mesh.member('kubelet').restart()
      await until(
        'another certificate',
        async () => readlinkSync(join(folder, 'kubelet-client-current.pem')) !== before,
      )
      t.match(log(mesh), /part of the existing bootstrap client certificate in .*kubelet\.conf is expired: \d{4}-/)
      t.ok(readdirSync(folder).includes(before), 'the old one is kept for a while')
    })

    await t.test('without a token any more it ends, when five minutes have passed and it was told no', async t => {
      await mesh.member('kubelet').stop()
      const { items } = await admin.list(resources.secrets, {
        namespace: 'kube-system',
        fieldSelector: 'type=bootstrap.kubernetes.io/token',
      })
      for (const { metadata } of items)
        await admin.delete(resources.secrets, { namespace: 'kube-system', name: metadata.name! })
      clock.advance(61 * minuteMs)
      const member = mesh.member('kubelet')
      const said = log(mesh).length
      await member.restart()
      await until('refused', async () => /Failed while requesting a signed certificate/.test(log(mesh).slice(said)))
      clock.advance(6 * minuteMs)
      await until('its end', async () => member.state === 'dead')
      t.match(
        member.words,
        /^It has been 5m0s since a valid client cert was found and the server is responsive, exiting\./,
      )
    })
  },
)

const log = ({ dir }: Mesh) => readFileSync(join(dir, 'logs/kubelet.log'), 'utf8')

async function logs(client: Client): Promise<{ status: number; text: string }> {
  const answer = await client.raw({ path: '/api/v1/namespaces/default/pods/web/log' })
  return { status: answer.status, text: await answer.text() }
}

/** `kubectl certificate approve` and `deny`. @throws StatusError */
async function decide(client: Client, csr: CertificateSigningRequest, type: 'Approved' | 'Denied') {
  const { metadata } = csr as KubeObject
  const now = await client.get(resources.csrs, { name: metadata.name! })
  const condition = { type, status: 'True' as const, reason: 'Test', message: 'by a test' }
  const conditions = [...(now.status?.conditions ?? []), condition]
  const changed = { ...now, status: { ...now.status, conditions } }
  try {
    return await client.updateSubresource(resources.csrs, { name: metadata.name! }, 'approval', changed)
  } catch (error) {
    throw error instanceof StatusError ? error : new Error('no answer', { cause: error })
  }
}
