/** The controller on one small cluster, by a clock that the test moves: issued, renewed, changed, failed, gone; and the files that follow. */
import { X509Certificate } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { manualClock } from '#clock.ts'
import { resources } from '#kubernetes/resources.ts'
import { silentLog } from '#log.ts'
import { loadPlan } from '#pki/plan.ts'
import { conditionOf, isTrue } from '#renewal/conditions.ts'
import { startRenewal } from '#renewal/controller.ts'
import { keepFresh } from '#renewal/keep.ts'
import { dataOf } from '#renewal/policies.ts'
import { type Certificate, certificateRequests, certificates, issuers } from '#renewal/types.ts'
import { writeThrough } from '#renewal/write-through.ts'
import { startCluster } from '../components/cluster.ts'

t.setTimeout(120_000)
const hour = 3_600_000
const namespace = 'default'

t.test('a renewing controller', async t => {
  const { admin: client, dir } = await startCluster(t)
  const clock = manualClock()
  const plan = await loadPlan()
  const renewal = await startRenewal({
    client,
    clock,
    log: silentLog,
    onSecret: writeThrough({ dir, plan }),
  })
  t.teardown(() => renewal.stop())
  const { informers } = renewal.context

  /** The Certificate, once it is so. */
  const until = (name: string, isSo: (certificate: Certificate) => boolean, place = namespace) =>
    new Promise<Certificate>(resolve => {
      const look = () => {
        const found = informers.certificates.get(`${place}/${name}`)
        if (!found || !isSo(found)) return
        informers.certificates.off('add', look).off('update', look)
        resolve(found)
      }
      informers.certificates.on('add', look).on('update', look)
      look()
    })
  const isDone = (revision: number) => (certificate: Certificate) =>
    certificate.status?.revision === revision && isTrue(certificate, 'Ready') && !conditionOf(certificate, 'Issuing')
  const secretOf = (name: string, place = namespace) => client.get(resources.secrets, { namespace: place, name })
  const leafOf = async (name: string) => new X509Certificate(dataOf(await secretOf(name), 'tls.crt'))
  const requestNames = async () =>
    (await client.list(certificateRequests, { namespace })).items.map(({ metadata }) => metadata.name).sort()
  /** In order; those of one moment are told apart by their names. */
  const eventsOf = async (name: string, wanted: number) => {
    for (;;) {
      const { items, metadata } = await client.list(resources.events, {
        namespace,
        fieldSelector: `involvedObject.name=${name}`,
      })
      if (items.length >= wanted) {
        const inOrder = items.sort((a, b) => (a.metadata.name! < b.metadata.name! ? -1 : 1))
        return inOrder.map(({ type, reason, message }) =>
          `${type} ${reason} ${message}`.replace(/-[a-z0-9]{5}"/, '-x"'),
        )
      }
      const more = new AbortController()
      for await (const _ of client.watch(resources.events, {
        namespace,
        resourceVersion: metadata.resourceVersion!,
        signal: more.signal,
      })) {
        more.abort()
        break
      }
    }
  }

  await t.test('issues with a self-signed issuer, and says what it did', async t => {
    await client.create(issuers, { metadata: { name: 'self', namespace }, spec: { selfSigned: {} } })
    await client.create(certificates, {
      metadata: { name: 'root', namespace },
      spec: {
        secretName: 'root-tls',
        commonName: 'a root',
        isCA: true,
        duration: '24h',
        renewBefore: '4h',
        revisionHistoryLimit: 2,
        privateKey: { algorithm: 'ECDSA', size: 256 },
        issuerRef: { name: 'self' },
      },
    })
    const made = await until('root', isDone(1))
    t.match(conditionOf(made, 'Ready'), {
      reason: 'Ready',
      message: 'Certificate is up to date and has not expired',
      observedGeneration: 1,
    })
    const leaf = await leafOf('root-tls')
    t.ok(leaf.ca && leaf.checkIssued(leaf) && leaf.verify(leaf.publicKey))
    t.equal(made.status?.notAfter, leaf.validToDate.toISOString().replace('.000Z', 'Z'))
    t.equal(Date.parse(made.status!.notAfter!) - Date.parse(made.status!.renewalTime!), 4 * hour)
    t.equal(made.status?.nextPrivateKeySecretName, undefined)
    t.match(await secretOf('root-tls'), {
      type: 'kubernetes.io/tls',
      metadata: { annotations: { 'cert-manager.io/issuer-name': 'self', 'cert-manager.io/certificate-name': 'root' } },
    })
    t.strictSame(await eventsOf('root', 4), [
      'Normal Issuing Issuing certificate as Secret does not exist',
      'Normal Generated Stored new private key in temporary Secret resource "root-x"',
      'Normal Requested Created new CertificateRequest resource "root-1"',
      'Normal Issuing The certificate has been successfully issued',
    ])
    t.strictSame(await eventsOf('root-1', 2), [
      'Normal cert-manager.io Certificate request has been approved by cert-manager.io',
      'Normal CertificateIssued Certificate fetched from issuer successfully',
    ])
    const keys = (
      await client.list(resources.secrets, { namespace, labelSelector: 'cert-manager.io/next-private-key=true' })
    ).items
    t.strictSame(keys, [], 'the key is in no other secret any more')
  })

  await t.test('renews at its time with a new key, and keeps so many requests', async t => {
    const first = await secretOf('root-tls')
    clock.advance(20 * hour + 2000)
    await until('root', isDone(2))
    const second = await secretOf('root-tls')
    t.not(second.data!['tls.key'], first.data!['tls.key'])
    t.match(
      (await eventsOf('root', 6)).join('\n'),
      /Normal Issuing Renewing certificate as renewal was scheduled at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000 UTC/,
    )
    const forgotten = new Promise<void>(resolve => {
      informers.requests.on('delete', ({ metadata }) => metadata.name === 'root-1' && resolve())
    })
    clock.advance(20 * hour + 2000)
    await Promise.all([until('root', isDone(3)), forgotten])
    t.strictSame(await requestNames(), ['root-2', 'root-3'])
  })

  await t.test('a CA issuer waits for its secret, then signs what waits', async t => {
    await client.create(issuers, { metadata: { name: 'ca', namespace }, spec: { ca: { secretName: 'web-ca' } } })
    await client.create(certificates, {
      metadata: { name: 'web', namespace },
      spec: {
        secretName: 'web-tls',
        commonName: 'web',
        dnsNames: ['web.test'],
        usages: ['server auth'],
        privateKey: { algorithm: 'ECDSA', rotationPolicy: 'Never', encoding: 'PKCS8' },
        secretTemplate: { labels: { team: 'web' } },
        issuerRef: { name: 'ca', kind: 'Issuer' },
      },
    })
    await eventsOf('web-1', 2)
    const waiting = await client.get(certificateRequests, { namespace, name: 'web-1' })
    t.match(conditionOf(waiting, 'Ready'), {
      status: 'False',
      reason: 'Pending',
      message: 'Referenced issuer does not have a Ready status condition',
    })
    const issuer = await client.get(issuers, { namespace, name: 'ca' })
    t.match(conditionOf(issuer, 'Ready'), {
      reason: 'ErrGetKeyPair',
      message: 'Error getting keypair for CA issuer: secrets "web-ca" not found',
    })
    const root = await secretOf('root-tls')
    await client.create(resources.secrets, {
      metadata: { name: 'web-ca', namespace },
      type: root.type!,
      data: root.data!,
    })
    await until('web', isDone(1))
    const leaf = await leafOf('web-tls')
    t.ok(leaf.verify((await leafOf('root-tls')).publicKey))
    t.equal(leaf.subjectAltName, 'DNS:web.test')
    t.strictSame(leaf.keyUsage, ['1.3.6.1.5.5.7.3.1'])
    const secret = await secretOf('web-tls')
    t.equal(dataOf(secret, 'ca.crt'), dataOf(root, 'tls.crt'))
    t.match(dataOf(secret, 'tls.key'), /^-{5}BEGIN PRIVATE KEY-{5}/)
    t.equal(secret.metadata.labels?.team, 'web')
  })

  await t.test(
    'a changed spec and a spoilt secret are mended at once, with the old key where it is to stay',
    async t => {
      const before = await secretOf('web-tls')
      await client.patch(
        certificates,
        { namespace, name: 'web' },
        { spec: { dnsNames: ['web.test', 'www.test'] } },
        { type: 'merge' },
      )
      await until('web', isDone(2))
      t.equal((await leafOf('web-tls')).subjectAltName, 'DNS:web.test, DNS:www.test')
      t.equal((await secretOf('web-tls')).data!['tls.key'], before.data!['tls.key'])
      t.match(
        (await eventsOf('web', 7)).join('\n'),
        /Normal Reused Reusing private key stored in existing Secret resource "web-tls"/,
      )
      await client.patch(
        resources.secrets,
        { namespace, name: 'web-tls' },
        { data: { 'tls.crt': '' } },
        { type: 'merge' },
      )
      await until('web', isDone(3))
      t.ok((await leafOf('web-tls')).checkHost('www.test'))
    },
  )

  await t.test('a failed request is told, and tried again an hour later', async t => {
    await client.create(certificates, {
      metadata: { name: 'bad', namespace },
      spec: {
        secretName: 'bad-tls',
        commonName: 'bad',
        duration: 'soon',
        privateKey: { algorithm: 'ECDSA' },
        issuerRef: { name: 'ca' },
      },
    })
    const failed = await until('bad', found => conditionOf(found, 'Issuing')?.status === 'False')
    t.match(conditionOf(failed, 'Issuing'), {
      reason: 'Failed',
      message: /^The certificate request has failed to complete and will be retried: not a duration: "soon"/,
    })
    t.equal(failed.status?.failedIssuanceAttempts, 1)
    clock.advance(hour + 2000)
    t.equal((await until('bad', found => found.status?.failedIssuanceAttempts === 2)).status?.revision, undefined)
    // a better spec does not wait
    await client.patch(certificates, { namespace, name: 'bad' }, { spec: { duration: '48h' } }, { type: 'merge' })
    const mended = await until('bad', isDone(1))
    t.equal(mended.status?.failedIssuanceAttempts, undefined)
  })

  await t.test('certificates of the PKI on disk are kept fresh, files and all', async t => {
    const file = (name: string) => readFileSync(join(dir, name), 'utf8')
    const before = file('pki/front-proxy-client.crt')
    const scheduler = file('scheduler.conf')
    const kept = { client, dir, plan, namespace: 'pki', duration: '2h', renewBefore: '1h' }
    await t.rejects(keepFresh({ ...kept, names: ['front-proxy-clien'] }), {
      code: 'TP_NAME_UNKNOWN',
      fix: 'did you mean front-proxy-client?',
    })
    await keepFresh({ ...kept, names: ['front-proxy-client', 'scheduler.conf'] })
    const written = (name: string, revision: number) =>
      new Promise<void>(resolve => {
        const stop = new AbortController()
        void (async () => {
          await until(name, isDone(revision), 'pki')
          for await (const { object } of client.watch(resources.events, { namespace: 'pki', signal: stop.signal })) {
            if (object.involvedObject.name === name && object.reason === 'Written' && (object.count ?? 1) >= revision)
              break
          }
          stop.abort()
          resolve()
        })()
      })
    await Promise.all([written('front-proxy-client', 1), written('scheduler.conf', 1)])
    const leaf = new X509Certificate(file('pki/front-proxy-client.crt'))
    t.not(file('pki/front-proxy-client.crt'), before)
    t.strictSame(leaf.keyUsage, new X509Certificate(before).keyUsage)
    t.equal(leaf.subject, 'CN=front-proxy-client')
    t.ok(leaf.verify(new X509Certificate(file('pki/front-proxy-ca.crt')).publicKey))
    t.equal(statSync(join(dir, 'pki/front-proxy-client.key')).mode & 0o777, 0o600)
    const data = (text: string, field: string) => new RegExp(`${field}: (\\S+)`).exec(text)?.[1]
    t.equal(data(file('scheduler.conf'), 'certificate-authority-data'), data(scheduler, 'certificate-authority-data'))
    t.not(data(file('scheduler.conf'), 'client-certificate-data'), data(scheduler, 'client-certificate-data'))
    clock.advance(hour + 2000)
    await Promise.all([written('front-proxy-client', 2), written('scheduler.conf', 2)])
    t.not(new X509Certificate(file('pki/front-proxy-client.crt')).serialNumber, leaf.serialNumber)
  })

  await t.test('with its certificate a request goes', async t => {
    const gone = new Promise<void>(resolve => {
      informers.requests.on('delete', ({ metadata }) => metadata.name === 'bad-1' && resolve())
    })
    await client.delete(certificates, { namespace, name: 'bad' })
    await gone
    t.ok(await secretOf('bad-tls'), 'the secret stays, as with cert-manager')
    const keys = (await client.list(resources.secrets, { labelSelector: 'cert-manager.io/next-private-key=true' }))
      .items
    t.strictSame(keys, [], 'and no key lies about')
  })

  // before the folder goes: it may be writing
  await renewal.stop()
})
