/** Every kubectl on this machine against a whole mesh: the commands that a person uses, and what they print. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { type Kubectl, kubectls } from './programs.ts'

t.setTimeout(600_000)
const trustplane = fileURLToPath(new URL('../../bin/trustplane.js', import.meta.url))
const env = { ...process.env, NODE_OPTIONS: '' }
const found = kubectls()

const deployment = (name: string, namespace: string) => `
apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name}, namespace: ${namespace}, labels: { app: ${name} } }
spec:
  replicas: 3
  selector: { matchLabels: { app: ${name} } }
  template:
    metadata: { labels: { app: ${name} } }
    spec: { containers: [{ name: web, image: nginx, ports: [{ containerPort: 80 }] }] }
`

t.test(
  'real kubectls use the mesh',
  { skip: found.length === 0 && 'kubectl is not on PATH', timeout: 600_000 },
  async t => {
    // not t.testdir(): it is gone before the teardown, and `down` would find nothing to stop
    const dir = mkdtempSync(join(tmpdir(), 'trustplane-kubectl-'))
    const up = spawnSync(process.execPath, [trustplane, 'up', '--detach', '--ports', 'random', '--dir', dir], {
      env,
      encoding: 'utf8',
    })
    t.teardown(() => {
      spawnSync(process.execPath, [trustplane, 'down', '--dir', dir], { env })
      rmSync(dir, { recursive: true, force: true })
    })
    t.equal(up.status, 0, up.stderr)
    const kubeconfig = join(dir, 'admin.conf')

    for (const kubectl of found) {
      await t.test(`kubectl ${kubectl.version}`, { timeout: 180_000 }, async t => commands(t, kubectl, kubeconfig))
    }
  },
)

/** Runs the list of issue-level commands with one kubectl, in a namespace of its own. */
async function commands(t: Tap, kubectl: Kubectl, kubeconfig: string) {
  const work = t.testdir()
  mkdirSync(join(work, 'cache'))
  const common = ['--kubeconfig', kubeconfig, '--cache-dir', join(work, 'cache')]
  const start = (...args: string[]) => spawn(kubectl.path, [...common, ...args], { env })
  const run = (args: string[], input?: string) =>
    spawnSync(kubectl.path, [...common, ...args], {
      env: { ...env, KUBE_EDITOR: 'sed -i s/colour:.*/colour:\\ edited/' },
      encoding: 'utf8',
      timeout: 30_000,
      ...(input === undefined ? {} : { input }),
    })
  /** Runs, expects exit 0 and `pattern` on stdout, and gives stdout. */
  const ok = (args: string[], pattern: RegExp, input?: string) => {
    const { status, stdout, stderr } = run(args, input)
    t.equal(status, 0, `${args.join(' ')}: exit 0\n${stderr}`)
    t.match(stdout, pattern, `${args.join(' ')}: what it prints`)
    return stdout
  }
  const ns = `v${kubectl.minor}`
  const file = (name: string, text: string) => {
    writeFileSync(join(work, name), text)
    return join(work, name)
  }

  ok(['version', '-o', 'json'], /"serverVersion"/)
  ok(['cluster-info'], /(control plane|master).* is running at/)
  ok(['get', 'nodes', '-o', 'wide'], /NAME\s+STATUS\s+ROLES\s+AGE\s+VERSION\s+INTERNAL-IP[\s\S]*Ready/)
  ok(['create', 'namespace', ns], /namespace\/v\d+ created/)
  ok(['create', 'configmap', 'settings', '-n', ns, '--from-literal=colour=blue'], /configmap\/settings created/)
  ok(['get', 'configmap', 'settings', '-n', ns, '-o', 'jsonpath={.data.colour}'], /^blue$/)

  // a Deployment becomes Running pods, watched from the start
  const watching = start('get', 'pods', '-n', ns, '-w', '-o', 'name')
  t.teardown(() => watching.kill())
  ok(['create', '-f', file('web.yaml', deployment('web', ns))], /deployment.apps\/web created/)
  ok(['rollout', 'status', 'deployment/web', '-n', ns, '--timeout=20s'], /successfully rolled out/)
  ok(['wait', '--for=condition=Ready', 'pod', '-l', 'app=web', '-n', ns, '--timeout=20s'], /condition met/)
  const pods = ok(['get', 'pods', '-n', ns, '-l', 'app=web', '-o', 'name'], /^(pod\/web-\S+\n){3}$/)
    .trim()
    .split('\n')
  t.match(await textUntil(watching, /pod\/web-/), /pod\/web-/, 'get -w sees the pods come')
  ok(['get', 'pods', '-A'], /NAMESPACE\s+NAME\s+READY\s+STATUS\s+RESTARTS\s+AGE[\s\S]*Running/)
  ok(['describe', pods[0]!, '-n', ns], /Status:\s+Running[\s\S]*Scheduled/)
  ok(['describe', 'node'], /Conditions:[\s\S]*Ready\s+True/)
  ok(['logs', pods[0]!, '-n', ns], /\S/)

  // changes, in every way that kubectl knows
  ok(['apply', '-f', file('api.yaml', deployment('api', ns))], /deployment.apps\/api created/)
  ok(
    ['apply', '-f', file('api.yaml', deployment('api', ns).replace('replicas: 3', 'replicas: 1'))],
    /deployment.apps\/api configured/,
  )
  ok(['rollout', 'status', 'deployment/api', '-n', ns, '--timeout=20s'], /successfully rolled out/)
  ok(
    ['apply', '--server-side', '-f', file('ssa.yaml', deployment('ssa', ns))],
    /deployment.apps\/ssa serverside-applied/,
  )
  ok(
    ['apply', '--server-side', '-f', file('ssa.yaml', deployment('ssa', ns).replace('image: nginx', 'image: nginx:2'))],
    /serverside-applied/,
  )
  ok(['get', 'deployment', 'ssa', '-n', ns, '-o', 'jsonpath={.spec.template.spec.containers[*].image}'], /^nginx:2$/)
  ok(['label', 'configmap', 'settings', '-n', ns, 'team=blue'], /labeled/)
  ok(['patch', 'configmap', 'settings', '-n', ns, '--type=merge', '-p', '{"data":{"size":"7"}}'], /patched/)
  ok(
    [
      'patch',
      'deployment',
      'web',
      '-n',
      ns,
      '-p',
      '{"spec":{"template":{"spec":{"containers":[{"name":"web","image":"nginx:3"}]}}}}',
    ],
    /patched/,
  )
  ok(
    ['get', 'deployment', 'web', '-n', ns, '-o', 'jsonpath={.spec.template.spec.containers[0].ports[0].containerPort}'],
    /^80$/,
  )
  ok(['edit', 'configmap', 'settings', '-n', ns], /edited/)
  ok(['get', 'configmap', 'settings', '-n', ns, '-o', 'jsonpath={.data.colour}'], /^edited$/)
  ok(['scale', 'deployment', 'web', '-n', ns, '--replicas=2'], /scaled/)

  // who am I, what may I
  ok(['auth', 'can-i', 'create', 'pods'], /^yes/)
  if (kubectl.minor >= 28) ok(['auth', 'whoami'], /kubernetes-admin/)
  ok(['create', 'serviceaccount', 'robot', '-n', ns], /created/)
  if (kubectl.minor >= 24) ok(['create', 'token', 'robot', '-n', ns], /^ey[\w-]+\.[\w-]+\.[\w-]+\n?$/)

  // certificate signing requests
  const key = join(work, 'user.key')
  spawnSync('openssl', [
    'req',
    '-new',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-keyout',
    key,
    '-subj',
    '/CN=jane/O=team',
    '-out',
    join(work, 'user.csr'),
  ])
  const request = spawnSync('base64', ['-w0', join(work, 'user.csr')], { encoding: 'utf8' }).stdout
  ok(
    ['create', '-f', '-'],
    /created/,
    JSON.stringify({
      apiVersion: 'certificates.k8s.io/v1',
      kind: 'CertificateSigningRequest',
      metadata: { name: `jane-${ns}` },
      spec: { request, signerName: 'kubernetes.io/kube-apiserver-client', usages: ['client auth'] },
    }),
  )
  ok(['get', 'csr'], /Pending/)
  ok(['certificate', 'approve', `jane-${ns}`], /approved/)
  // kubectl 1.20 cannot wait for a jsonpath: watch until it is there
  const issued = start('get', 'csr', `jane-${ns}`, '-w', '-o', 'jsonpath={.status.certificate}{"\\n"}')
  t.teardown(() => issued.kill())
  t.match(await textUntil(issued, /LS0t/), /LS0t/, 'the controller-manager signs it')

  // discovery and documentation
  ok(['api-resources'], /pods\s+po\s+v1\s+true\s+Pod/)
  ok(['explain', 'pod'], /KIND:\s+Pod[\s\S]*spec/)
  ok(['explain', 'deployment.spec.template.spec.containers.image'], /image/i)
  ok(['get', '--raw', '/readyz?verbose'], /\[\+\]etcd ok[\s\S]*readyz check passed/)
  ok(['get', 'componentstatuses'], /etcd-0\s+Healthy/)

  // exec: websockets since 1.30 (SPDY before)
  ok(['rollout', 'status', 'deployment/web', '-n', ns, '--timeout=20s'], /successfully rolled out/)
  const [pod = ''] = ok(
    ['get', 'pods', '-n', ns, '-l', 'app=web', '--field-selector=status.phase=Running', '-o', 'name'],
    /pod/,
  ).split('\n')
  const exec = run(['exec', pod, '-n', ns, '--', 'echo', 'hello'])
  if (kubectl.minor >= 30) t.match(exec.stdout, /^hello\n$/, exec.stderr)
  else {
    t.not(exec.status, 0, 'an older kubectl is told so')
    t.match(exec.stderr, /1\.30/)
  }

  ok(['delete', 'deployment', 'web', 'api', 'ssa', '-n', ns], /deleted/)
  ok(['delete', 'namespace', ns, '--timeout=25s'], /deleted/)
}

type Tap = Pick<typeof t, 'equal' | 'match' | 'not' | 'teardown' | 'testdir'>

/** What a process printed on stdout until `pattern` was in it, or until it ended, or 20 s passed. */
async function textUntil(child: ChildProcess, pattern: RegExp): Promise<string> {
  let text = ''
  const signal = AbortSignal.timeout(20_000)
  child.stdout!.setEncoding('utf8')
  while (!pattern.test(text)) {
    const next = await Promise.race([once(child.stdout!, 'data', { signal }), once(child, 'exit', { signal })]).catch(
      () => undefined,
    )
    if (!next || typeof next[0] !== 'string') break
    text += next[0]
  }
  return text
}
