/** Was it repaired by believing more? The PKI and the flags of now, held against those that the plan means. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { offsetClock } from '#clock.ts'
import { argvOf } from '#mesh/argv.ts'
import { connectionName } from '#mesh/connections.ts'
import { type Layout, membersOf } from '#mesh/layout.ts'
import { issuePlan } from '#mesh/open-pki.ts'
import { type PkiView, viewPki } from '#mesh/pki-view.ts'
import { describePowers, powersOf } from '#mesh/powers.ts'
import { lint } from '#pki/lint/lint.ts'
import { ruleOf } from '#pki/lint/rules.ts'
import { parseTrustedCertificates } from '#x509/pem.ts'
import { addedBindings } from './bindings.ts'

/** Flags that decide who is let in; what they say must be what the plan means. */
const guards: Readonly<Record<string, readonly string[]>> = {
  etcd: ['client-cert-auth', 'peer-client-cert-auth', 'listen-client-urls', 'auto-tls', 'peer-auto-tls'],
  'kube-apiserver': [
    'anonymous-auth',
    'authorization-mode',
    'enable-admission-plugins',
    'etcd-servers',
    'requestheader-allowed-names',
    'tls-min-version',
    'token-auth-file',
  ],
  'extension-apiserver': ['requestheader-allowed-names'],
}

const careless = ['key-mode', 'certificate-mode', 'verification-off', 'masters']

/** @param now with the manifests' flags */
export async function loosened(now: Layout): Promise<string[]> {
  const clock = offsetClock(0)
  await using meant = await issuePlan(now.plan, now.plan.name, clock)
  const [is, was] = [viewPki(now, clock.now()), viewPki(meant.layout, clock.now())]
  const known = new Set(powersOf(was, clock.now()).map(power => JSON.stringify(power)))
  const powers = powersOf(is, clock.now()).filter(
    power => ['front-proxy', 'system-masters'].includes(power.kind) && !known.has(JSON.stringify(power)),
  )
  return [
    ...wider(is, was),
    ...powers.map(power => describePowers([power])),
    ...openedFlags(now),
    ...openedKubelets(now, was),
    ...(await addedBindings(now.dir)),
    ...(await carelessFiles(now.dir)),
  ]
}

/** Bundles with somebody in them whom the plan does not have there, and ends that check nothing any more. */
function wider(is: PkiView, was: PkiView): string[] {
  return is.rows.flatMap((row, index) => {
    const before = was.rows[index]!.facts
    return (['client trusts', 'server trusts'] as const).flatMap(what => {
      const words = (facts: Readonly<Record<string, string>>) => facts[what]?.split(', ') ?? []
      const more = words(row.facts).filter(name => !words(before).includes(name) && name !== '(none)')
      const end = what === 'client trusts' ? row.from : row.to
      return more.length > 0 ? [`${connectionName(row)}: ${end} now believes ${more.join(', ')}`] : []
    })
  })
}

function openedFlags(now: Layout): string[] {
  const meant: Layout = { ...now, flags: {} }
  return membersOf(now.nodes).flatMap(member =>
    (guards[member.component] ?? []).flatMap(name => {
      const value = (argv: readonly string[]) =>
        argv.findLast(word => word.startsWith(`--${name}=`))?.slice(name.length + 3)
      const is = value(now.flags?.[member.component] ?? [])
      const should = value(argvOf(meant, member))
      return is === should ? [] : [`${member.id} has ${flagWords(name, is)}, and not ${flagWords(name, should)}`]
    }),
  )
}

const flagWords = (name: string, value: string | undefined) =>
  value === undefined ? `no --${name}` : `--${name}=${value}`

interface KubeletConfiguration {
  authentication?: { anonymous?: { enabled?: boolean }; x509?: { clientCAFile?: string } }
  authorization?: { mode?: string }
}

function openedKubelets(now: Layout, was: PkiView): string[] {
  return now.nodes.flatMap(({ name }) => {
    const file = join(now.dir, 'kubelet', name, 'config.yaml')
    let configuration: KubeletConfiguration
    try {
      configuration = parse(readFileSync(file, 'utf8')) as KubeletConfiguration
    } catch {
      return []
    }
    const { authentication = {}, authorization = {} } = configuration
    const clientCa = authentication.x509?.clientCAFile
    // by subject: the plan's own certificates were made for the comparison, with other keys
    const meant = (was.bundleOf({ name: 'kubelet.client-ca', flag: '' }) ?? []).map(({ subject }) => subject.toString())
    const more = (clientCa ? subjectsIn(clientCa) : []).filter(subject => !meant.includes(subject))
    return [
      ...(authentication.anonymous?.enabled === false
        ? []
        : [`the kubelet of ${name} lets anybody in: authentication.anonymous`]),
      ...(authorization.mode === 'Webhook' ? [] : [`the kubelet of ${name} asks nobody who may: authorization.mode`]),
      ...(more.length > 0 ? [`the kubelet of ${name} now believes ${more.join(', ')}`] : []),
    ]
  })
}

function subjectsIn(file: string): string[] {
  try {
    return parseTrustedCertificates(readFileSync(file, 'latin1'), 'go1.24').map(({ subject }) => subject.toString())
  } catch {
    return []
  }
}

async function carelessFiles(dir: string): Promise<string[]> {
  const { findings } = await lint(dir, { now: new Date() })
  return findings
    .filter(({ rule }) => careless.includes(rule))
    .map(({ rule, path, detail }) => `${path}: ${ruleOf(rule).what} (${detail})`)
}
