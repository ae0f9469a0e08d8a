/** `trustplane verify`: Go's verdict on a chain in files, without dialling anything. */
import { readFileSync } from 'node:fs'
import { type Command, Option } from 'commander'
import { parseDuration } from '#clock.ts'
import { exitCodes, messageOf, TrustplaneError } from '#errors.ts'
import { alertName } from '#x509/alerts.ts'
import { parseCertificate } from '#x509/certificate.ts'
import { parseRevocationList } from '#x509/crl.ts'
import { certificateBlocks, readBundle } from '#x509/pem.ts'
import { type PemProblem, pemProblem } from '#x509/pem-problems.ts'
import { reasonRow } from '#x509/reasons.ts'
import type { Certificate, Usage, Verdict, Voice } from '#x509/types.ts'
import { verify } from '#x509/verify.ts'
import { type ActionContext, createCommand, onRun } from '../command.ts'
import type { Io } from '../io.ts'
import { printDocument } from '../output.ts'

interface Options {
  usage: Usage
  name?: string
  at?: string
  clockOffset?: string
  roots: string
  intermediates?: string
  crl?: string[]
  voice: Voice
}

export function build(io?: Io): Command {
  const command = createCommand({
    name: 'verify',
    summary: 'judge a certificate chain as Go does',
    description: `Says what Go's crypto/x509 says of the chain inside real Kubernetes and etcd, in its words; OpenSSL often says otherwise.
CHAIN is what the peer presents: PEM, leaf first, then intermediates. Every certificate in --roots is a trust anchor.
Exit status: 0 accepted, 1 refused, 2 could not judge (a file is missing, empty, or not what it should be).`,
    formats: ['table', 'json', 'yaml'],
    examples: [
      {
        does: "Would kubectl trust this API server's certificate?",
        line: 'trustplane verify --name 10.96.0.1 --roots pki/ca.crt pki/apiserver.crt',
      },
      {
        does: 'Would etcd take this client certificate in a year?',
        line: 'trustplane verify --usage clientAuth --clock-offset 365d --roots pki/etcd/ca.crt pki/apiserver-etcd-client.crt',
      },
      {
        does: 'At a given time, by etcd 3.4 (Go 1.19), with a revocation list',
        line: 'trustplane verify --usage clientAuth --at 2027-01-01T00:00:00Z --voice go1.19 --crl crl.pem --roots ca.crt client.crt',
      },
      {
        does: 'Only the reason, for a script',
        line: 'trustplane verify --roots ca.crt server.crt -o json | jq -r .reason',
      },
    ],
  })
    .argument('<chain>', 'the presented chain, PEM, leaf first')
    .addOption(
      new Option('--usage <usage>', 'serverAuth for a server, clientAuth for a client')
        .choices(['serverAuth', 'clientAuth', 'any'])
        .default('serverAuth'),
    )
    .option('--name <name>', 'the host name or IP that the client dials; left out, no name is checked')
    .option('--at <time>', 'judge at this time (RFC 3339); default: now')
    .option('--clock-offset <duration>', 'judge this much later (364d), or earlier (-10m)')
    .requiredOption('--roots <file>', 'the trust bundle, PEM')
    .option('--intermediates <file>', 'more intermediates, PEM')
    .option(
      '--crl <file>',
      'a revocation list (PEM or DER), looked at as etcd does: by serial; may be repeated',
      append,
    )
    .addOption(
      new Option('--voice <voice>', 'go1.24: current Kubernetes, etcd 3.5 and newer; go1.19: etcd 3.4')
        .choices(['go1.24', 'go1.19'])
        .default('go1.24'),
    )
  return onRun<Options>(command, io, async ([file = ''], context) => judge(file, context))
}

const append = (value: string, previous: string[] = []) => [...previous, value]

/** Exit 2, whatever the code: no verdict could be given. */
class CannotJudge extends TrustplaneError {
  override get exitCode(): number {
    return exitCodes.usage
  }
}

async function judge(file: string, { io, style, options, say }: ActionContext<Options>): Promise<number> {
  const { voice, usage, name } = options
  const chain = readCertificates(file)
  const roots = readRoots(options.roots, voice, say)
  const now = timeOf(options)
  hint(chain, voice, say)
  const verdict = verify({
    chain,
    roots,
    ...(options.intermediates ? { intermediates: readCertificates(options.intermediates) } : {}),
    usage,
    ...(name ? { name } : {}),
    now,
    crls: (options.crl ?? []).map(readList),
    voice,
  })
  if (options.output !== 'table') {
    const { intermediates = null, crl = [] } = options
    const asked = { usage, name: name ?? null, at: now.toISOString(), voice, roots: options.roots, intermediates, crl }
    await printDocument(io, 'Verdict', { ...documentOf(verdict), ...asked }, options.output as 'json' | 'yaml')
  } else io.stdout.write(`${linesOf(verdict, style).join('\n')}\n`)
  return verdict.verdict === 'accept' ? exitCodes.ok : exitCodes.findings
}

function read(file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (cause) {
    throw new CannotJudge('TP_FILE_UNREADABLE', `cannot read ${file}: ${messageOf(cause)}`, {
      at: { file },
      fix: 'check the path and its permissions',
      cause,
    })
  }
}

const textOf = (file: string) => read(file).toString('latin1')

/** A PEM file that must hold a certificate, as text (bytes as latin1). */
function readCertificates(file: string): string {
  const text = textOf(file)
  const problem = pemProblem(text)
  if (problem) throw noCertificate(file, problem)
  return text
}

function noCertificate(file: string, { what, line, fix }: PemProblem): CannotJudge {
  return new CannotJudge('TP_PEM_INVALID', `no certificate in ${file}: ${what}`, {
    at: { file, ...(line === undefined ? {} : { line }) },
    fix,
  })
}

/** Go starts with a bundle in which it finds nothing, and trusts nobody: a verdict, and worth a hint. A key is a mistake. */
function readRoots(file: string, voice: Voice, say: (line: string) => void): readonly Certificate[] {
  const text = textOf(file)
  const roots = readBundle(text, 'crypto/tls', { voice })
  if (roots.length > 0) return roots
  const problem = pemProblem(text) ?? { what: whyNoRoot(text, voice), fix: 'it must hold a CA in a plain PEM block' }
  if (problem.isKey) throw noCertificate(file, problem)
  const place = problem.line === undefined ? file : `${file}:${problem.line}`
  say(`hint: Go finds no certificate in ${place}, and so trusts nobody: ${problem.what}\n    fix: ${problem.fix}`)
  return roots
}

/** There are certificates in the bundle, but none that Go can take for a root. */
function whyNoRoot(text: string, voice: Voice): string {
  for (const der of certificateBlocks(text)) {
    try {
      parseCertificate(der, voice)
    } catch (error) {
      return messageOf(error)
    }
  }
  return 'its blocks have PEM headers'
}

function readList(file: string) {
  try {
    return parseRevocationList(read(file))
  } catch (error) {
    if (error instanceof CannotJudge) throw error
    throw new CannotJudge('TP_PEM_INVALID', `not a revocation list: ${file}: ${messageOf(error)}`, {
      at: { file },
      fix: 'give a CRL in PEM (label X509 CRL, at the very start of the file) or DER',
    })
  }
}

function timeOf({ at, clockOffset }: Options): Date {
  const form = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/
  const time = at === undefined ? Date.now() : form.test(at) ? Date.parse(at.replace(' ', 'T')) : Number.NaN
  if (Number.isNaN(time))
    throw new TrustplaneError('TP_USAGE', `--at is not a time: ${JSON.stringify(at)}`, {
      fix: 'write it as 2027-01-01T00:00:00Z',
    })
  return new Date(time + (clockOffset === undefined ? 0 : parseDuration(clockOffset)))
}

/** Go judges the first certificate, whatever it is. */
function hint(chain: string, voice: Voice, say: (line: string) => void): void {
  try {
    const [first, ...rest] = certificateBlocks(chain).map(der => parseCertificate(der, voice))
    const leaf = rest.findIndex(({ basicConstraints }) => !basicConstraints?.isCa)
    if (first?.basicConstraints?.isCa && leaf >= 0)
      say(
        `hint: the first certificate is judged, and it is a CA; the leaf seems to be number ${leaf + 2}: put it first`,
      )
  } catch {
    // the verdict will say what does not parse
  }
}

const shown = ({ subject, issuer, serialNumber, notBefore, notAfter, sha256 }: Certificate) => ({
  subject: subject.toString(),
  issuer: issuer.toString(),
  serial: serialNumber.toString(16),
  notBefore: notBefore.toISOString(),
  notAfter: notAfter.toISOString(),
  sha256,
})

function documentOf(verdict: Verdict): object {
  if (verdict.verdict === 'accept')
    return { verdict: 'accept', reason: null, message: null, chains: verdict.chains.map(chain => chain.map(shown)) }
  const { reason, message, certificate, alert } = verdict
  const { summary, cause, fix } = reasonRow(reason)
  return {
    verdict: 'reject',
    reason,
    message,
    chains: [],
    certificate: certificate ? shown(certificate) : null,
    alert: { code: alert, name: alertName(alert) },
    summary,
    cause,
    fix,
  }
}

const nameOf = (certificate: Certificate) =>
  certificate.subject.toString() || `serial ${certificate.serialNumber.toString(16)}`

function linesOf(verdict: Verdict, style: ActionContext<Options>['style']): string[] {
  if (verdict.verdict === 'accept') {
    const chains = verdict.chains.map(chain => `  ${chain.map(nameOf).join(' ← ')}`)
    return [`${style.symbol('ok')} accepted`, ...chains]
  }
  const { reason, message, certificate } = verdict
  const { summary, cause, fix } = reasonRow(reason)
  return [
    `${style.symbol('fail')} refused: ${reason}: ${summary}`,
    `    ${message}`,
    ...(certificate
      ? [`    certificate: ${nameOf(certificate)}, valid until ${certificate.notAfter.toISOString().slice(0, 10)}`]
      : []),
    `    cause: ${cause}`,
    `    fix: ${fix}`,
  ]
}
