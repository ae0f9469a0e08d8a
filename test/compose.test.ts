/** docker-compose.yml against the code: command lines, files, addresses. CI runs it on a Docker engine (.ci/compose). */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { parse } from 'yaml'
import { systemClock } from '#clock.ts'
import { type ComponentName, componentNames } from '#components/component.ts'
import { parseFlags } from '#components/flags.ts'
import { loadComponent } from '#components/index.ts'
import { defaultPorts } from '#mesh/ports.ts'
import { issuePki } from '#pki/issue.ts'
import { loadPlan } from '#pki/plan.ts'

interface Service {
  image: string
  user: string
  read_only: boolean
  ports?: string[]
  command: string[]
  healthcheck?: object
  depends_on?: Record<string, { condition: string }>
}

const { services } = parse(readFileSync(new URL('../docker-compose.yml', import.meta.url), 'utf8'), {
  merge: true,
}) as {
  services: Record<string, Service>
}
const folder = '/etc/kubernetes/'

t.test(
  'every component is a service of its own name, from one image, not as root, on a read-only file system',
  async t => {
    for (const name of componentNames) {
      t.match(services[name], { image: 'trustplane:latest', user: 'node', read_only: true, command: [name] }, name)
      t.ok(services[name]!.healthcheck, `${name} has a health check`)
    }
  },
)

for (const name of componentNames) {
  t.test(`${name} would start with its command line, and every file in it is one that the plan makes`, async t => {
    const argv = services[name]!.command.slice(1)
    const { flags } = await loadComponent(name as ComponentName)
    t.doesNotThrow(() => parseFlags(name, flags, argv))
    const files = await issuePki(await loadPlan('compose'), systemClock)
    for (const word of argv) {
      const file = word.split(`=${folder}`)[1]
      if (file) t.ok(files.has(file), word)
    }
  })
}

t.test('ports are the originals’, and published on loopback alone', async t => {
  const known = new Set<number>(Object.values(defaultPorts))
  for (const [name, { ports = [] }] of Object.entries(services)) {
    for (const port of ports) {
      const [, inside] = /^127\.0\.0\.1:(\d+):\1$/.exec(port) ?? []
      t.ok(known.has(Number(inside)), `${name}: ${port}`)
    }
  }
})

t.test('services start in order, and the table waits for all of them', async t => {
  t.strictSame(services.etcd!.depends_on, { pki: { condition: 'service_completed_successfully' } })
  t.strictSame(services['kube-apiserver']!.depends_on, { etcd: { condition: 'service_healthy' } })
  const waits = Object.keys(services.status!.depends_on ?? {})
  for (const name of componentNames) {
    if (name !== 'etcd' && name !== 'kube-apiserver') t.ok(waits.includes(name), name)
  }
})

t.test('no verification is switched off: not even to have the status service see everything green', async t => {
  for (const [name, { command }] of Object.entries(services)) {
    t.notOk(
      command.some(word => /skip|insecure/.test(word)),
      name,
    )
  }
})
