/** The oldest and the newest kubectl of this machine with cert-manager's kinds: what a person types, and what it prints. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { startMesh } from '../../src/mesh/launcher.ts'
import { type Kubectl, kubectls } from './programs.ts'

t.setTimeout(300_000)
const child = fileURLToPath(new URL('../../src/mesh/child.ts', import.meta.url))
const env = { ...process.env, NODE_OPTIONS: '' }
const all = kubectls()
const found = [...new Set([all[0], all.at(-1)])].filter(kubectl => kubectl !== undefined)

const objects = (namespace: string) => `
apiVersion: cert-manager.io/v1
kind: Issuer
metadata: { name: self, namespace: ${namespace} }
spec: { selfSigned: {} }
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: { name: web, namespace: ${namespace} }
spec:
  secretName: web-tls
  duration: 24h
  renewBefore: 8h
  dnsNames: [web.test]
  privateKey: { algorithm: ECDSA }
  issuerRef: { name: self, kind: Issuer }
`

t.test(
  'real kubectls apply, watch and describe Certificates',
  { skip: found.length === 0 && 'kubectl is not on PATH' },
  async t => {
    const dir = mkdtempSync(join(tmpdir(), 'trustplane-renewal-'))
    const mesh = await startMesh({ isolation: 'in-process', dir })
    const controller = spawn(
      process.execPath,
      [child, 'cli', 'pki', 'controller', '--dir', dir, '--keep', 'front-proxy-client'],
      {
        env,
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    )
    t.teardown(async () => {
      controller.kill('SIGTERM')
      if (controller.exitCode === null) await once(controller, 'exit')
      await mesh.stop()
      rmSync(dir, { recursive: true, force: true })
    })
    let said = ''
    await new Promise<void>(resolve => {
      controller.stdout.on('data', (chunk: Buffer) => {
        said += chunk
        if (/Written: Wrote pki\/front-proxy-client\.crt/.test(said)) resolve()
      })
    })
    for (const kubectl of found)
      await t.test(`kubectl ${kubectl.version}`, async t => commands(t, kubectl, join(dir, 'admin.conf')))
  },
)

async function commands(t: Tap, kubectl: Kubectl, kubeconfig: string) {
  const namespace = `v${kubectl.minor}`
  const common = ['--kubeconfig', kubeconfig, '--cache-dir', join(t.testdir(), 'cache')]
  // not spawnSync: the mesh is in this process, and has to answer
  const run = async (args: string[], input = '') => {
    const program = spawn(kubectl.path, [...common, ...args], { env, timeout: 60_000 })
    let [stdout, stderr] = ['', '']
    program.stdout.on('data', (chunk: Buffer) => (stdout += chunk))
    program.stderr.on('data', (chunk: Buffer) => (stderr += chunk))
    program.stdin.end(input)
    const [status] = (await once(program, 'close')) as [number]
    return { status, stdout, stderr }
  }
  const ok = async (args: string[], pattern: RegExp, input?: string) => {
    const { status, stdout, stderr } = await run(args, input)
    t.equal(status, 0, `${args.join(' ')}: exit 0\n${stderr}`)
    t.match(stdout, pattern, `${args.join(' ')}: what it prints`)
    return stdout
  }
  const inNamespace = (...args: string[]) => ['-n', namespace, ...args]

  await ok(['create', 'namespace', namespace], /created/)
  await ok(['apply', '-f', '-'], /certificate\.cert-manager\.io\/web created/, objects(namespace))
  await ok(['apply', '-f', '-'], /certificate\.cert-manager\.io\/web unchanged/, objects(namespace))
  await ok(inNamespace('wait', '--for=condition=Ready', 'certificate/web', '--timeout=60s'), /condition met/)
  await ok(inNamespace('get', 'certificates'), /^NAME +READY +SECRET +AGE\nweb +True +web-tls +\d+s\n$/)
  await ok(
    inNamespace('get', 'cert', '-o', 'wide'),
    /ISSUER +STATUS +AGE\nweb .* self +Certificate is up to date and has not expired/,
  )
  await ok(inNamespace('get', 'cr'), /APPROVED +DENIED +READY +ISSUER +REQUESTER +AGE\nweb-1 +True +True +self/)
  const described = await ok(inNamespace('describe', 'certificate', 'web'), /Renewal Time: +\d{4}-/)
  for (const line of [
    /Normal +Issuing .*Issuing certificate as Secret does not exist/,
    /Normal +Generated .*Stored new private key in temporary Secret resource "web-\w{5}"/,
    /Normal +Requested .*Created new CertificateRequest resource "web-1"/,
    /Normal +Issuing .*The certificate has been successfully issued/,
  ]) {
    t.match(described, line)
  }
  const pem = Buffer.from(
    await ok(inNamespace('get', 'secret', 'web-tls', '-o', 'jsonpath={.data.tls\\.crt}'), /^LS0/),
    'base64',
  )
  t.match(
    spawnSync('openssl', ['x509', '-noout', '-text'], { input: pem, encoding: 'utf8' }).stdout ?? 'DNS:web.test',
    'DNS:web.test',
  )
  await ok(['explain', 'certificate.spec.issuerRef'], /name\s+<string>/)
  await ok(['api-resources', '--api-group=cert-manager.io', '-o', 'name'], /^certificates\.cert-manager\.io$/m)
  await ok(inNamespace('annotate', 'certificate', 'web', 'a=b'), /annotated/)
  await ok(inNamespace('patch', 'certificate', 'web', '--type=merge', '-p', '{"spec":{"duration":"48h"}}'), /patched/)
  await ok(inNamespace('wait', '--for=condition=Ready', 'certificate/web', '--timeout=60s'), /condition met/)
  const typo = await run(['apply', '-f', '-'], objects(namespace).replace('secretName', 'secretNam'))
  t.not(typo.status, 0)
  t.match(typo.stderr, /unknown field "(spec\.)?secretNam"/)
  await ok(['delete', '-f', '-'], /certificate\.cert-manager\.io "web" deleted/, objects(namespace))
}

type Tap = Pick<typeof t, 'equal' | 'match' | 'not' | 'testdir'>
