import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { thisProcess } from '../../src/mesh/state.ts'
import { cleanLeftovers } from '../../src/scenarios/leftovers.ts'

t.test('what a killed run left is deleted; what lives, or was asked for by --dir, is not', async t => {
  const state = (launcher: object, more: object = {}) => ({
    'mesh.json': JSON.stringify({ launcher, components: [], ...more }),
    pki: { 'ca.key': 'x' },
  })
  // a pid that the kernel does not give (pid_max is 2^22)
  const dead = { pid: 2 ** 22 + 1 }
  const folder = t.testdir({
    'trustplane-killed': state(dead, { temporary: true }),
    'trustplane-living': state(thisProcess(), { temporary: true }),
    'trustplane-asked-for': state(dead),
    'trustplane-of-another-tool': { 'mesh.json': 'no JSON' },
    other: state(dead, { temporary: true }),
  })
  t.strictSame(await cleanLeftovers(folder), [join(folder, 'trustplane-killed')])
  for (const name of ['trustplane-living', 'trustplane-asked-for', 'trustplane-of-another-tool', 'other']) {
    t.ok(existsSync(join(folder, name)), name)
  }
})
