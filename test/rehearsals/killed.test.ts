import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { serveControl } from '../../src/mesh/control.ts'
import { startMesh } from '../../src/mesh/launcher.ts'
import { readKubeconfigIdentity } from '../../src/pki/kubeconfig.ts'
import { trustplane } from '../cli/harness.ts'

t.setTimeout(300_000)

const here = (file: string) => fileURLToPath(new URL(file, import.meta.url))

/** `trustplane …` as a process of its own, which can be killed. */
function start(argv: readonly string[], killBefore?: string): { child: ChildProcess; stdout(): string } {
  const hook = killBefore === undefined ? [] : ['--import', here('kill-before-rename.ts')]
  const child = spawn(process.execPath, [...hook, here('../../src/mesh/child.ts'), 'cli', ...argv], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, LANG: 'C.UTF-8', ...(killBefore === undefined ? {} : { KILL_BEFORE: killBefore }) },
  })
  let text = ''
  child.stdout!.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
  })
  return { child, stdout: () => text }
}

const keyIn = (pem: string) => createPrivateKey(pem).export({ format: 'pem', type: 'pkcs8' }).toString()

/** Names of files below a folder; what is not whole, or open to others, among those that matter. */
function lookAt(dir: string) {
  const names = (readdirSync(dir, { recursive: true }) as string[]).filter(name =>
    /\.(key|crt|pub|conf)(\.new)?$/.test(name),
  )
  const keys = new Set<string>()
  const broken: string[] = []
  for (const name of names) {
    const text = readFileSync(join(dir, name), 'utf8')
    const isOpen = (statSync(join(dir, name)).mode & 0o077) !== 0
    if (/\.(key|conf)(\.new)?$/.test(name) && isOpen) broken.push(`${name} is open to others`)
    // what has not been put in its place may be anything
    if (name.endsWith('.new')) continue
    try {
      if (name.endsWith('.key')) keys.add(keyIn(text))
      if (name.endsWith('.crt')) new X509Certificate(text)
      if (text.includes('client-key-data')) keyIn(readKubeconfigIdentity(text, name).clientKey)
    } catch (error) {
      broken.push(`${name}: ${error}`)
    }
  }
  return { keys, broken }
}

/** A disk of its own, where we may mount one. */
function smallDisk(t: Test, folder: string) {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256k,mode=0700', 'tmpfs', folder])
  if (status !== 0) {
    t.comment('not tried on a full disk: only root may mount one')
    return undefined
  }
  const filler = join(folder, 'filler')
  return {
    fill() {
      const { bavail, bsize } = statfsSync(folder)
      writeFileSync(filler, Buffer.alloc(bavail * bsize))
    },
    empty: () => rmSync(filler),
    remove: () => void spawnSync('umount', ['-l', folder]),
  }
}

t.test(
  'a command line that is killed in any step, or finds the disk full, leaves whole files, and the next one goes on from there',
  async t => {
    const dir = mkdtempSync(join(tmpdir(), 'trustplane-test-'))
    const disk = smallDisk(t, join(dir, 'pki'))
    const mesh = await startMesh({ dir, isolation: 'in-process' })
    const control = serveControl(mesh)
    t.teardown(async () => {
      control.close()
      await mesh.stop()
      disk?.remove()
      rmSync(dir, { recursive: true, force: true })
    })
    const known = lookAt(dir).keys
    const rehearse = ['rehearse', 'front-proxy-ca', '--dir', dir, '--rate', '20']

    const check = async (where: string) => {
      const { keys, broken } = lookAt(dir)
      t.strictSame(broken, [], `${where}: every file is whole, and no key is open to others`)
      t.strictSame(
        [...known].filter(key => !keys.has(key)),
        [],
        `${where}: no key is lost`,
      )
      const made = join(dir, 'rehearsals/front-proxy-ca/new/pki/front-proxy-ca.key')
      if (existsSync(made)) known.add(keyIn(readFileSync(made, 'utf8')))
      const status = await trustplane('status', '--dir', dir)
      t.equal(status.status, 0, `${where}: every connection is well\n${status.stdout}`)
    }

    const killedBefore = async (path: string, ...more: string[]) => {
      const { child } = start([...rehearse, ...more], path)
      const [, signal] = await once(child, 'exit')
      t.equal(signal, 'SIGKILL', path)
      await check(`killed before ${path} was there`)
    }

    // half of the bundles that every flag gets, before the first step
    await killedBefore(join(dir, 'trust/kube-scheduler.requestheader-client-ca.crt'))
    // half of the bundles of `servers-trust-both`, and nobody knows yet that they will be
    await killedBefore(join(dir, 'trust/kube-apiserver.requestheader-client-ca.crt'))
    t.match(await trustplane(...rehearse), {
      status: 1,
      stderr:
        /was begun in .*: 2 of its 5 steps are behind it, by the certificates; the next is sign-with-new\n.*--resume/s,
    })
    if (disk) {
      disk.fill()
      const full = await trustplane(...rehearse, '--resume')
      t.match(full, {
        status: 1,
        stdout:
          /sign-with-new.*could not be done: cannot write .*front-proxy-ca.(key|crt): no space is left on the disk \(ENOSPC\); nothing was changed\n +next: make room on it; then go on with .*--resume.*--rollback/s,
      })
      await check('the disk was full')
      disk.empty()
    }
    // the key is the new CA's, the certificate the old one's
    await killedBefore(join(dir, 'pki/front-proxy-ca.crt'), '--resume')

    // at the end of a step, when everything of it is done
    const { child, stdout } = start([...rehearse, '--resume'])
    const exited = once(child, 'exit')
    child.stdout!.on('data', () => {
      if (/sign-with-new {2}/.test(stdout())) child.kill('SIGKILL')
    })
    t.strictSame(await exited, [null, 'SIGKILL'])
    await check('killed after sign-with-new')
    t.match(
      (await trustplane('status', '--dir', dir)).stderr,
      /front-proxy-ca is under way: 3 of 5 steps are behind it, the next is reissue-client/,
    )

    const last = await trustplane(...rehearse, '--resume', '-o', 'json')
    t.equal(last.status, 0, last.stderr)
    t.match(JSON.parse(last.stdout), { ok: true, failed: 0 })
    await check('in the end')
    t.strictSame(
      (readdirSync(dir, { recursive: true }) as string[]).filter(name =>
        /\.new$|pki-commit|pki-lock|\.running/.test(name),
      ),
      [],
      'nothing is left lying about',
    )

    const back = await trustplane(...rehearse, '--rollback', '-o', 'json')
    t.match(JSON.parse(back.stdout), { ok: true, failed: 0 })
    await check('taken back')
  },
)
