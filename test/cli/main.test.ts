import { existsSync } from 'node:fs'
import t from 'tap'
import { commands } from '../../src/cli/commands.ts'
import { trustplane, withIo } from './harness.ts'

t.test('help lists every command, and is data', async t => {
  const { status, stdout, stderr } = await trustplane('--help')
  t.equal(status, 0)
  t.equal(stderr, '')
  for (const { name, summary } of commands) t.match(stdout, `  ${name} `, summary)
})

t.test('no arguments at all shows the help', async t => {
  t.match((await trustplane()).stdout, /^trustplane runs a Kubernetes control plane/)
})

t.test('an unknown command names the nearest one and ends with 2', async t => {
  const { status, stdout, stderr } = await trustplane('statsu')
  t.equal(status, 2)
  t.equal(stdout, '')
  t.match(stderr, /^× TP_NAME_UNKNOWN\n {4}unknown command "statsu"\n {4}fix: did you mean `trustplane status`\?\n$/)
})

t.test('a component is an unknown command’s nearest name, too', async t => {
  t.match((await trustplane('kube-apiservr')).stderr, /did you mean `trustplane kube-apiserver`\?/)
})

t.test('an unknown flag names the nearest one and ends with 2', async t => {
  const { status, stderr } = await trustplane('status', '--wacth')
  t.equal(status, 2)
  t.match(stderr, /unknown option '--wacth'\n {4}fix: did you mean `--watch`\?/)
})

t.test('with -o json an error is one JSON document on stderr', async t => {
  for (const argv of [
    ['explain', 'TP_NOPE', '-o', 'json'],
    ['explain', 'TP_NOPE', '-ojson'],
    ['explain', 'TP_NOPE', '--output=json'],
  ]) {
    const { status, stdout, stderr } = await trustplane(...argv)
    t.equal(status, 2)
    t.equal(stdout, '')
    t.match(JSON.parse(stderr), { kind: 'Error', code: 'TP_NAME_UNKNOWN', exitCode: 2 })
  }
})

t.test('every command has help with examples, --dir, and a summary in the table', async t => {
  for (const { name } of commands) {
    if (!existsSync(new URL(`../../src/cli/commands/${name}.ts`, import.meta.url))) continue
    const { status, stdout, stderr } = await trustplane(name, '--help')
    t.equal(status, 0, name)
    t.equal(stderr, '', name)
    t.match(stdout, /Examples:\n {2}# /, name)
    if (!/Commands:/.test(stdout)) t.match(stdout, /--dir <directory>/, name)
  }
})

t.test('`help COMMAND` is `COMMAND --help`', async t => {
  t.equal((await trustplane('help', 'down')).stdout, (await trustplane('down', '--help')).stdout)
})

t.test('the version names Node and OpenSSL, as text and as JSON', async t => {
  t.match((await trustplane('--version')).stdout, /^trustplane \d+\.\d+\.\d+ \(Node \d+\.\d+\.\d+, OpenSSL \d/)
  t.match(JSON.parse((await trustplane('version', '-o', 'json')).stdout), {
    kind: 'Version',
    node: process.versions.node,
  })
})

t.test('a flag can come from the environment, and the command line wins', async t => {
  const dir = t.testdir({ 'admin.conf': '', other: { 'admin.conf': '' } })
  const env = { TRUSTPLANE_DIR: dir }
  t.equal((await withIo({ env }, 'kubeconfig')).stdout, `${dir}/admin.conf\n`)
  t.equal((await withIo({ env }, 'kubeconfig', '--dir', `${dir}/other`)).stdout, `${dir}/other/admin.conf\n`)
})

t.test('flags of a subcommand, and those of other authors’ commands, too', async t => {
  const dir = t.testdir()
  const env = { TRUSTPLANE_DIR: dir, TRUSTPLANE_PLAN: 'nope' }
  t.match((await withIo({ env }, 'pki', 'init')).stderr, /nope/)
  t.match((await withIo({ env: { TRUSTPLANE_TAIL: 'x' } }, 'logs', 'etcd')).stderr, /--tail.*whole number/s)
})

t.test('a boolean from the environment may be off', async t => {
  const env = { TRUSTPLANE_QUIET: '0' }
  const { stderr } = await withIo({ env }, 'status', '--dir', t.testdir())
  t.match(stderr, /nothing is known yet/)
})

t.test('what is no error of ours is a bug, and says so with 70', async t => {
  const { printError } = await import('../../src/cli/errors.ts')
  let text = ''
  const io = { stderr: { write: (chunk: string) => (text += chunk) } }
  // biome-ignore lint/suspicious/noExplicitAny: a stream that only takes text
  t.equal(printError(io as any, new TypeError('x is not a function'), false), 70)
  t.match(text, /^× TP_INTERNAL\n {4}x is not a function\n {4}fix: this is a bug in trustplane/)
})
