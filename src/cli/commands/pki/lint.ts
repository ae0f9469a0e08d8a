/** `trustplane pki lint`: keys where they should not be, and the good practices of a PKI. */
import { type Command, Option } from 'commander'
import { exitCodes } from '#errors.ts'
import type { LintReport } from '#pki/lint/lint.ts'
import { type Rule, ruleOf, rules, type Severity } from '#pki/lint/rules.ts'
import type { Finding } from '#pki/lint/types.ts'
import { asBadInput } from '../../bad-input.ts'
import { createCommand, onRun } from '../../command.ts'
import type { Io } from '../../io.ts'
import { type Column, print, printDocument } from '../../output.ts'
import type { State, Style } from '../../style.ts'
import { type ClockOptions, clockOf, clockOption } from './options.ts'

interface LintOptions extends ClockOptions {
  rules?: boolean
  history: boolean
}

export function buildLint(io: Io | undefined): Command {
  const command = createCommand({
    name: 'lint',
    summary: 'keys where they should not be, and what is unwise in a PKI',
    description:
      'Looks through a folder, a PKI (a state directory, a node’s /etc/kubernetes), a Git repository with its history, or the tarball of\nan image, layer by layer. Finds keys as PEM, DER, PKCS#12 and base64; shows none of them: a key is told by the hash of its public half.\nIn a PKI, keys are at their place: modes, dates, names, strength and who signs what are checked there.\nExit status: 0 nothing, or notes; 1 errors or warnings; 2 it could not be looked at.',
    formats: ['pretty', 'json', 'yaml', 'sarif'],
    examples: [
      { does: 'The PKI in .trustplane', line: 'trustplane pki lint' },
      { does: 'A node', line: 'sudo trustplane pki lint /etc/kubernetes' },
      { does: 'A repository, with everything that was ever committed', line: 'trustplane pki lint .' },
      {
        does: 'An image, also what a later layer deletes',
        line: 'docker save my-image -o image.tar && trustplane pki lint image.tar',
      },
      { does: 'For GitHub’s code scanning', line: 'trustplane pki lint . -o sarif > lint.sarif' },
      { does: 'What it looks for, and why', line: 'trustplane pki lint --rules' },
    ],
  })
    .argument('[where]', 'a folder, a repository, or an image’s tarball; left out: --dir')
    .addOption(new Option('--rules', 'list the rules, and look at nothing'))
    .addOption(new Option('--no-history', 'of a repository only the files, not what was ever committed'))
    .addOption(clockOption())
  return onRun<LintOptions>(command, io, async ([where], { io, options, style, say }) => {
    const format = options.output as string
    if (options.rules) {
      await printRules(io, format, options.headers)
      return exitCodes.ok
    }
    const { lint } = await import('#pki/lint/lint.ts')
    const now = clockOf(options).now()
    const report = await asBadInput(() => lint(where ?? options.dir, { now, history: options.history }))
    if (format === 'pretty') {
      io.stdout.write(pretty(report, style))
      for (const line of summary(report)) say(line)
    } else if (format === 'sarif') {
      const { sarif } = await import('#pki/lint/sarif.ts')
      io.stdout.write(`${JSON.stringify(sarif(report), null, 2)}\n`)
    } else {
      const items = report.findings.map(one => ({ ...one, ...ruleOf(one.rule) }))
      const { target, kind, looked } = report
      await printDocument(io, 'LintReport', { target, scope: kind, looked, items }, format as 'json' | 'yaml')
    }
    return report.findings.some(one => ruleOf(one.rule).severity !== 'note') ? exitCodes.findings : exitCodes.ok
  })
}

function printRules(io: Io, format: string, headers: boolean): Promise<void> {
  const columns: Column<Rule>[] = [
    { header: 'RULE', value: rule => rule.id },
    { header: 'SEVERITY', value: rule => rule.severity },
    { header: 'WHAT', value: rule => rule.what },
  ]
  const printed = { kind: 'LintRuleList', document: { items: rules }, rows: rules, columns }
  return print(io, printed, { format: format === 'json' || format === 'yaml' ? format : 'table', headers })
}

const states: Record<Severity, State> = { error: 'fail', warning: 'warn', note: 'idle' }

/** A rule, what it is about, where it was found, and what to do: why and where it is said comes with `--rules -o yaml`. */
function pretty({ findings }: LintReport, style: Style): string {
  const groups = [...Map.groupBy(findings, ({ rule }) => rule)]
  return groups
    .map(([id, found]) => {
      const { severity, what, why, source, fix } = ruleOf(id)
      const places = found.map(one => `    ${placeOf(one)}${one.detail ? `: ${one.detail}` : ''}\n`)
      const title = `${style.symbol(states[severity])} ${style.bold(what)} ${style.dim(`(${severity}, ${id})`)}`
      return `${title}\n${places.join('')}  why: ${why}\n  fix: ${fix}\n  see: ${source}\n`
    })
    .join('\n')
}

function placeOf({ path, line, layer, blob, commit }: Finding): string {
  const at = [path, line].filter(part => part !== undefined).join(':')
  if (layer) return `${at} in layer ${layer}`
  return blob ? `${at}, blob ${blob.slice(0, 10)}${commit ? ` of commit ${commit.slice(0, 10)}` : ''}` : at
}

function summary({ target, findings, looked }: LintReport): string[] {
  const count = (severity: Severity) => findings.filter(one => ruleOf(one.rule).severity === severity).length
  const { files, keys, certificates, skipped } = looked
  return [
    ...skipped.slice(0, 10).map(line => `not looked into: ${line}`),
    ...(skipped.length > 10 ? [`… and ${skipped.length - 10} more`] : []),
    `${target}: ${count('error')} errors, ${count('warning')} warnings, ${count('note')} notes; ${files} files, ${keys} keys, ${certificates} certificates`,
  ]
}
