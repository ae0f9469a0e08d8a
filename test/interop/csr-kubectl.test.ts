/** A node that joins by CSR, with a real kubectl in a person's hand: what is seen, approved, denied, and what logs say until then. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { kubectls } from './programs.ts'

t.setTimeout(300_000)
const trustplane = fileURLToPath(new URL('../../bin/trustplane.js', import.meta.url))
const env = { ...process.env, NODE_OPTIONS: '' }
const kubectl = kubectls().at(-1)

t.test(
  'kubectl get csr, approve and deny, and logs before and after',
  { skip: !kubectl && 'kubectl is not on PATH' },
  async t => {
    // not t.testdir(): it is gone before the teardown, and `down` would find nothing to stop
    const dir = mkdtempSync(join(tmpdir(), 'trustplane-csr-'))
    const up = spawnSync(
      process.execPath,
      [trustplane, 'up', '--bootstrap', '--detach', '--ports', 'random', '--dir', dir],
      { env, encoding: 'utf8' },
    )
    t.teardown(() => {
      spawnSync(process.execPath, [trustplane, 'down', '--dir', dir], { env })
      rmSync(dir, { recursive: true, force: true })
    })
    t.equal(up.status, 1, `the apiserver cannot verify a kubelet that has nothing to show yet\n${up.stderr}`)
    const run = (args: string[], input?: string) =>
      spawnSync(
        kubectl!.path,
        ['--kubeconfig', join(dir, 'admin.conf'), '--cache-dir', join(dir, 'kubectl-cache'), ...args],
        { env, encoding: 'utf8', timeout: 60_000, ...(input === undefined ? {} : { input }) },
      )
    const ok = (...args: string[]) => {
      const { status, stdout, stderr } = run(args)
      t.equal(status, 0, `${args.join(' ')}\n${stderr}`)
      return stdout
    }
    /** Until it prints `pattern`: what it shows comes about by itself. */
    const eventually = (args: string[], pattern: RegExp) => {
      const deadline = performance.now() + 60_000
      for (;;) {
        const { stdout, stderr } = run(args)
        if (pattern.test(stdout)) return stdout
        if (performance.now() > deadline) throw new Error(`${args.join(' ')}: not ${pattern}\n${stdout}${stderr}`)
      }
    }

    t.match(ok('get', 'nodes'), /node-1\s+Ready/)
    const all = eventually(['get', 'csr'], /kubelet-serving/)
    t.match(
      all,
      /csr-\w+ +\S+ +kubernetes\.io\/kube-apiserver-client-kubelet +system:bootstrap:\w{6} +<none> +Approved,Issued/,
    )
    const serving =
      /(csr-\w+) +\S+ +kubernetes\.io\/kubelet-serving +system:node:node-1 +<none> +Pending/.exec(all)?.[1] ?? ''
    t.match(ok('describe', 'csr', serving), /Requesting User:\s+system:node:node-1[\s\S]*IP Addresses:\s+127\.0\.0\.1/)

    ok('run', 'web', '--image=nginx')
    eventually(['get', 'pod', 'web'], /Running/)
    const refused = run(['logs', 'web'])
    t.not(refused.status, 0)
    t.match(refused.stderr, /containerLogs\/default\/web\/web": remote error: tls: internal error/)
    t.match(
      readFileSync(join(dir, 'logs/kubelet.log'), 'utf8'),
      /http: TLS handshake error from 127\.0\.0\.1:\d+: no serving certificate available for the kubelet/,
    )

    t.match(ok('certificate', 'approve', serving), new RegExp(`${serving} approved`))
    eventually(['get', 'csr', serving], /Approved,Issued/)
    t.match(eventually(['logs', 'web'], /nginx/), /nginx/)

    // a request that its signer will not sign, and one that nobody wants
    const request = ok('get', 'csr', serving, '-o', 'jsonpath={.spec.request}')
    const manifest = (name: string) =>
      JSON.stringify({
        apiVersion: 'certificates.k8s.io/v1',
        kind: 'CertificateSigningRequest',
        metadata: { name },
        spec: { request, signerName: 'kubernetes.io/kube-apiserver-client', usages: ['client auth', 'server auth'] },
      })
    for (const name of ['wrong', 'unwanted']) t.equal(run(['create', '-f', '-'], manifest(name)).status, 0)
    ok('certificate', 'approve', 'wrong')
    eventually(['get', 'csr', 'wrong'], /Approved,Failed/)
    t.match(
      ok('get', 'csr', 'wrong', '-o', 'jsonpath={.status.conditions[?(@.type=="Failed")].message}'),
      /^invalid usage for client certificate: server auth$/,
    )
    t.match(ok('certificate', 'deny', 'unwanted'), /unwanted denied/)
    t.match(ok('get', 'csr', 'unwanted'), /Denied/)
    const both = run(['certificate', 'approve', 'unwanted'])
    t.not(both.status, 0)
    t.match(both.stderr, /already Denied/)
    t.match(ok('-n', 'kube-public', 'get', 'configmap', 'cluster-info', '-o', 'yaml'), /jws-kubeconfig-\w{6}: /)
  },
)
