/** OpenSSL's verdict on every certificate that every plan of certs/ makes: what should verify does, for its purpose and for no other. */
import { execFileSync, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createPki } from '#pki/create.ts'
import { readKubeconfigIdentity } from '#pki/kubeconfig.ts'
import { packageRoot } from '#pki/package-root.ts'
import { loadPlan } from '#pki/plan.ts'
import type { Plan } from '#pki/types.ts'
import { program } from './programs.ts'

const openssl = program('openssl')
const plans = readdirSync(join(packageRoot(), 'certs'))
  .filter(name => name.endsWith('.yaml'))
  .map(name => name.replace('.yaml', ''))

/** The authorities above `name`: the root, and what lies between. */
function above(plan: Plan, name: string): { root: string; between: string[] } {
  const between: string[] = []
  for (let current = name; ; ) {
    const authority = plan.authorities.find(candidate => candidate.name === current)!
    if (authority.issuer === 'self') return { root: authority.certificateFile, between }
    between.push(authority.certificateFile)
    current = authority.issuer
  }
}

for (const name of plans) {
  t.test(`openssl verify accepts what the plan ${name} makes`, { skip: openssl.skip }, async t => {
    const dir = join(t.testdir(), 'state')
    const plan = await loadPlan(name)
    await createPki({ plan, dir })
    const verify = (file: string, authority: string, purpose: string) => {
      const { root, between } = authority === 'self' ? { root: file, between: [] } : above(plan, authority)
      const { stdout, stderr } = spawnSync(
        openssl.path,
        [
          'verify',
          '-x509_strict',
          '-purpose',
          purpose,
          '-CAfile',
          root,
          ...between.flatMap(path => ['-untrusted', path]),
          file,
        ],
        { cwd: dir, encoding: 'utf8' },
      )
      return stdout + stderr
    }
    for (const row of plan.kubeconfigs) {
      const { clientCertificate } = readKubeconfigIdentity(readFileSync(join(dir, row.file), 'utf8'), row.file)
      writeFileSync(join(dir, `${row.file}.crt`), clientCertificate)
    }
    const leaves = [
      ...plan.certificates.map(row => ({ ...row, path: row.certificateFile })),
      ...plan.kubeconfigs.map(row => ({ ...row, path: `${row.file}.crt` })),
    ]
    for (const row of leaves) {
      for (const [usage, purpose] of [
        ['serverAuth', 'sslserver'],
        ['clientAuth', 'sslclient'],
      ] as const) {
        // a certificate that signed itself has no SKI (selfsigned), which -x509_strict would mind
        if (row.issuer === 'self') continue
        const verdict = verify(row.path, row.issuer, purpose)
        if (row.extKeyUsages.includes(usage)) t.equal(verdict, `${row.path}: OK\n`, `${row.name} for ${purpose}`)
        else t.match(verdict, /unsuitable certificate purpose/, `${row.name} not for ${purpose}`)
      }
    }
    for (const row of plan.authorities) {
      t.equal(verify(row.certificateFile, row.name, 'any'), `${row.certificateFile}: OK\n`)
    }
    for (const row of plan.certificates.filter(({ issuer }) => issuer === 'self')) {
      const verdict = execFileSync(
        openssl.path,
        ['verify', '-purpose', 'sslserver', '-CAfile', row.certificateFile, row.certificateFile],
        { cwd: dir, encoding: 'utf8' },
      )
      t.equal(verdict, `${row.certificateFile}: OK\n`)
    }
  })
}

t.test('openssl reads the names and keys that were written', { skip: openssl.skip }, async t => {
  const dir = join(t.testdir(), 'state')
  await createPki({ plan: await loadPlan('kubeadm'), dir })
  const run = (...args: string[]) => execFileSync(openssl.path, args, { cwd: dir, encoding: 'utf8' })
  t.match(
    run('x509', '-in', 'pki/apiserver.crt', '-noout', '-ext', 'subjectAltName'),
    /DNS:kubernetes\.default\.svc\.cluster\.local, IP Address:10\.96\.0\.1, IP Address:127\.0\.0\.1/,
  )
  t.match(run('x509', '-in', 'pki/etcd/server.crt', '-noout', '-ext', 'subjectAltName'), /IP Address:0:0:0:0:0:0:0:1/)
  t.match(run('pkey', '-in', 'pki/sa.key', '-pubout'), readFileSync(join(dir, 'pki/sa.pub'), 'utf8'))
  const publicKey = run('x509', '-in', 'pki/apiserver.crt', '-noout', '-pubkey')
  t.equal(run('pkey', '-in', 'pki/apiserver.key', '-pubout'), publicKey)
})
