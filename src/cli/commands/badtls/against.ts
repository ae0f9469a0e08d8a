/** `trustplane badtls --against HOST:PORT`: somebody's server, and each faulty client certificate. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ClientResult, dialWithEach } from '#endpoints/against.ts'
import { exitCodes, messageOf, TrustplaneError } from '#errors.ts'
import { alertName } from '#x509/alerts.ts'
import type { ActionContext } from '../../command.ts'
import { print } from '../../output.ts'
import type { Style } from '../../style.ts'
import type { BadtlsOptions } from '../badtls.ts'
import { folderOf, prepareFiles } from './files.ts'

/** Could not judge. */
const notJudged = 2

export async function runAgainst(target: string, { io, options, style, say }: ActionContext<BadtlsOptions>) {
  const { host, port } = parseTarget(target)
  const ca = readCa(options.ca)
  const { dir, authority, isNew, clients } = await prepareFiles(folderOf(options))
  const trusted = join(dir, 'ca.crt')
  if (isNew) say(`wrote ${trusted}: the CA that ${target} has to trust`)
  const { results, problem } = await dialWithEach({
    host,
    port,
    ca,
    authority,
    clients,
    path: options.path,
    voice: options.voice,
    ...(options.servername ? { servername: options.servername } : {}),
    ...(options.only ? { only: options.only } : {}),
    onResult: result => say(`${style.symbol(stateOf(result))} ${result.name}: ${wordsOf(result)}`),
  })
  if (results.length > 0 || options.output === 'json' || options.output === 'yaml') {
    const document = { target, trusted, problem: problem?.what ?? null, items: results }
    await print(
      io,
      { kind: 'ClientCertificateReport', document, rows: results, columns: columns(style) },
      { format: options.output, headers: options.headers },
    )
  }
  if (problem) {
    say(
      `${style.symbol('fail')} could not judge: ${problem.what}\n    fix: ${problem.fix}${problem.untrusted ? `\n    that CA: ${trusted}` : ''}`,
    )
    return notJudged
  }
  const count = (comparison: ClientResult['comparison']) => results.filter(row => row.comparison === comparison).length
  say(
    `${style.symbol(count('laxer') > 0 ? 'fail' : 'ok')} ${target}: ${count('as Go')} as Go, ${count('laxer')} accepted that Go refuses, ${count('stricter')} refused that Go accepts`,
  )
  if (results.every(({ seen }) => seen === 'accepted'))
    say('    every one was accepted: it asks for no client certificates, or does not check them')
  return count('laxer') > 0 ? exitCodes.findings : exitCodes.ok
}

const stateOf = ({ comparison }: ClientResult) =>
  comparison === 'laxer' ? 'fail' : comparison === 'stricter' ? 'warn' : 'ok'

const wordsOf = ({ seen, how, alert, status, message }: ClientResult): string => {
  if (seen === 'accepted') return status === undefined ? 'accepted' : `accepted (HTTP ${status})`
  if (how === 'http') return `refused by HTTP ${status}`
  return how === 'alert' ? `refused by alert ${alert!.code} ${alert!.name}` : `refused without a word (${message})`
}

const columns = (style: Style) => [
  { header: 'CLIENT CERTIFICATE', value: (row: ClientResult) => row.name },
  { header: 'SERVER', value: wordsOf },
  {
    header: 'GO',
    value: ({ go, goAlert }: ClientResult) =>
      go === 'refused' && goAlert ? `refused (${goAlert} ${alertName(goAlert)})` : go,
  },
  {
    header: 'COMPARED',
    value: (row: ClientResult) =>
      style.paint(stateOf(row), row.comparison === 'either' ? 'as it is set up' : row.comparison),
  },
  { header: 'REASON', value: (row: ClientResult) => row.reason ?? '-' },
  { header: 'WHAT', value: (row: ClientResult) => row.description, wide: true },
]

function parseTarget(text: string): { host: string; port: number } {
  const match = /^(?:https:\/\/)?(\[[^\]]+\]|[^:/]+):(\d{1,5})\/?$/.exec(text)
  const port = Number(match?.[2])
  if (!match || port < 1 || port > 65_535) {
    throw new TrustplaneError('TP_USAGE', `--against takes HOST:PORT, not ${JSON.stringify(text)}`, {
      fix: 'write it as localhost:8443, 127.0.0.1:2379 or [::1]:6443',
    })
  }
  return { host: match[1]!.replace(/^\[|\]$/g, ''), port }
}

function readCa(file: string | undefined): string {
  if (file === undefined) {
    throw new TrustplaneError('TP_USAGE', "--against needs --ca: the CA of the server's own certificate", {
      fix: 'give the bundle that a client of it trusts (PEM); it is checked, too',
    })
  }
  try {
    return readFileSync(file, 'latin1')
  } catch (cause) {
    throw new TrustplaneError('TP_FILE_UNREADABLE', `cannot read ${file}: ${messageOf(cause)}`, { at: { file }, cause })
  }
}
