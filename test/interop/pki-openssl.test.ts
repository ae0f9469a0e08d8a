/** OpenSSL's verdict on every certificate that every plan of certs/ makes: what should verify does, for its purpose and for no other. */
import { execFileSync, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createPki } from '#pki/create.ts'
import { readKubeconfigIdentity } from '#pki/kubeconfig.ts'
import { ownCertificates } from '#pki/lookup.ts'
import { packageRoot } from '#pki/package-root.ts'
import { loadPlan } from '#pki/plan.ts'
import type { Plan } from '#pki/types.ts'
import { program } from './programs.ts'

// some two hundred processes, on a machine that may be busy
t.setTimeout(120_000)

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
    /** One call for many files: what it says of each. */
    const verify = (files: string[], authority: string, purpose: string, strict = true) => {
      const { root, between } = authority === 'self' ? { root: files[0]!, between: [] } : above(plan, authority)
      const untrusted = between.flatMap(path => ['-untrusted', path])
      const { stdout, stderr } = spawnSync(
        openssl.path,
        ['verify', ...(strict ? ['-x509_strict'] : []), '-purpose', purpose, '-CAfile', root, ...untrusted, ...files],
        { cwd: dir, encoding: 'utf8' },
      )
      return (file: string) => (stdout.split('\n').includes(`${file}: OK`) ? 'OK' : stdout + stderr)
    }
    for (const row of plan.kubeconfigs) {
      const { clientCertificate } = readKubeconfigIdentity(readFileSync(join(dir, row.file), 'utf8'), row.file)
      writeFileSync(join(dir, `${row.file}.crt`), clientCertificate)
    }
    const leaves = [
      ...ownCertificates(plan).map(row => ({ ...row, path: row.certificateFile })),
      ...plan.kubeconfigs.map(row => ({ ...row, path: `${row.file}.crt` })),
    ]
    for (const authority of plan.authorities) {
      const rows = leaves.filter(row => row.issuer === authority.name)
      for (const [usage, purpose] of [
        ['serverAuth', 'sslserver'],
        ['clientAuth', 'sslclient'],
      ] as const) {
        const suitable = rows.filter(row => row.extKeyUsages.includes(usage))
        if (suitable.length > 0) {
          const verdict = verify(
            suitable.map(row => row.path),
            authority.name,
            purpose,
          )
          for (const row of suitable) t.equal(verdict(row.path), 'OK', `${row.name} for ${purpose}`)
        }
        const other = rows.find(row => !row.extKeyUsages.includes(usage))
        if (other) {
          const verdict = verify([other.path], authority.name, purpose)(other.path)
          t.match(verdict, /unsuitable certificate purpose/, `${other.name} not for ${purpose}`)
        }
      }
      const { certificateFile } = authority
      t.equal(verify([certificateFile], authority.name, 'any')(certificateFile), 'OK')
    }
    for (const { path } of leaves.filter(row => row.issuer === 'self')) {
      // it has no SKI (selfsigned), which -x509_strict would mind
      t.equal(verify([path], 'self', 'sslserver', false)(path), 'OK')
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
