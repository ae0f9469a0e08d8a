/**
 * `npm run docs` writes the generated blocks of README.md and docs/*.md from the tables that they show, docs/cli.md from `--help`,
 * and the JSON Schemas of scenarios and rehearsals.
 * `npm run docs -- --check` only says what is not up to date (exit 1). test/docs.test.ts does the same.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { errorCodes, exitCodes } from '../src/errors.ts'
import { connections } from '../src/mesh/connections.ts'
import { defaultPorts } from '../src/mesh/ports.ts'
import { policies, reloadTable } from '../src/mesh/reload.ts'
import { rehearsalSchema } from '../src/rehearsals/schema.ts'
import { practices } from '../src/scenarios/practices.ts'
import { referenceTables } from '../src/scenarios/reference.ts'
import { scenarioSchema } from '../src/scenarios/schema.ts'
import { reasons } from '../src/x509/reasons.ts'

const path = (name: string) => fileURLToPath(new URL(`../${name}`, import.meta.url))

/** Each block by its name, as it should be now. */
const blocks: Record<string, () => string> = {
  connections: () =>
    table(
      ['from', 'to', 'port', "client's certificate", 'the server checks it with', 'refused by', 'what people notice'],
      connections.map(row => [
        row.from,
        row.to,
        String(defaultPorts[row.port]),
        row.clientCertificate?.name ?? 'none',
        row.serverTrust ? `\`${row.serverTrust.flag}\`` : '–',
        row.refusal ?? '–',
        row.notice,
      ]),
    ),
  reasons: () =>
    table(
      ['reason', 'what happened', 'words', 'alert', 'fix'],
      reasons.map(row => [
        `\`${row.reason}\``,
        row.summary,
        row.texts['go1.24'][0] ? `\`${row.texts['go1.24'][0]}\`` : '–',
        String(row.alert.server['go1.24'] ?? '–'),
        row.fix,
      ]),
    ),
  rereading: () =>
    table(
      ['component', 'flag', 'what it holds', 'read again', 'a new file that is no good', 'source'],
      reloadTable.map(row => [
        row.component,
        `\`${row.flag}\``,
        row.holds,
        policies[row.policy].when,
        policies[row.policy].bad,
        row.source,
      ]),
    ),
  'rehearsal-steps': () =>
    table(
      ['rehearsal', 'what is replaced', 'steps, and what breaks without them'],
      yamlFiles('scenarios/rehearsals').map(file => {
        const { title, steps } = read(file) as { title: string; steps: RehearsalStep[] }
        return [`[${nameOf(file).replace('rehearsals/', '')}](../${file})`, title, steps.map(stepCell).join('<br>')]
      }),
    ),
  plans: () =>
    table(
      ['plan', 'what it is'],
      yamlFiles('certs').map(file => [`[${nameOf(file)}](${file})`, String(read(file).description ?? '')]),
    ),
  // of README.md: the folders, each with its first scenario
  folders: () =>
    table(
      ['folder', 'scenarios', 'such as'],
      [...Map.groupBy(scenarioFiles(), folderOf)].map(([folder, files]) => [
        `[${folder}](scenarios/README.md#${folder})`,
        String(files.length),
        String(read(files[0]!).title),
      ]),
    ),
  // of scenarios/README.md: all of them
  scenarios: () =>
    [...Map.groupBy(scenarioFiles(), folderOf)]
      .map(([folder, files]) => {
        const rows = files.map(file => [
          `[${basename(file, '.yaml')}](${relative('scenarios', file)})`,
          String(read(file).title),
        ])
        return `## ${folder}\n\n${table(['scenario', 'what happens'], rows)}`
      })
      .join('\n\n'),
  // of scenarios/README.md: good practice, both ways
  practices: () => {
    const links = (name: string, way: string) =>
      scenarioFiles()
        .filter(file => (read(file).practice as Record<string, string> | undefined)?.[name] === way)
        .map(file => `[${nameOf(file)}](${relative('scenarios', file)})`)
        .join(', ')
    return table(
      ['practice', 'kept', 'broken'],
      practices.map(({ name, rule }) => [rule, links(name, 'kept'), links(name, 'broken')]),
    )
  },
  rehearsals: () =>
    table(
      ['rehearsal', 'what is practised'],
      yamlFiles('scenarios/rehearsals').map(file => [
        `[${basename(file, '.yaml')}](${file})`,
        String(read(file).title),
      ]),
    ),
  up: () => ['```text', firstRun(), '```'].join('\n'),
  errors: () =>
    table(
      ['code', 'exit', 'meaning'],
      Object.entries(errorCodes).map(([code, { exit, summary }]) => [`\`${code}\``, String(exitCodes[exit]), summary]),
    ),
  // of docs/scenarios.md
  ...Object.fromEntries(
    Object.entries(referenceTables).map(([name, make]) => [name, () => table(make().headers, make().rows)]),
  ),
}

/** What `trustplane up` prints, really run; without what differs from run to run. */
function firstRun(): string {
  const dir = mkdtempSync(join(tmpdir(), 'trustplane-docs-'))
  const env = { PATH: process.env.PATH, LANG: 'C.UTF-8', NO_COLOR: '1' }
  const run = (...words: string[]) =>
    spawnSync(process.execPath, [path('bin/trustplane.js'), ...words, '--dir', dir], { encoding: 'utf8', env })
  try {
    const { status, stdout, stderr } = run('up', '--detach', '--ports', 'random')
    if (status !== 0) throw new Error(`trustplane up ended with ${status}: ${stderr}`)
    return `${stdout}${stderr}`
      .replaceAll(` --dir ${dir}`, '')
      .replaceAll(dir, '.trustplane')
      .replace(/ \([\d.]+ s\)/, '')
      .replace(/\d+s$/gm, '0s')
      .replaceAll(/ +$/gm, '')
      .trim()
  } finally {
    run('down')
    rmSync(dir, { recursive: true, force: true })
  }
}

/** docs/cli.md, whole. */
function commandReference(): string {
  const help = (...words: string[]) => {
    const { stdout, status, stderr } = spawnSync(process.execPath, [path('bin/trustplane.js'), ...words, '--help'], {
      encoding: 'utf8',
      env: { PATH: process.env.PATH, COLUMNS: '120' },
    })
    if (status !== 0) throw new Error(`trustplane ${words.join(' ')} --help ended with ${status}: ${stderr}`)
    return stdout.trim()
  }
  const section = (words: string[], depth = '##'): string => {
    const text = help(...words)
    const commands = /^Commands:\n((?: {2,}.*\n?)+)/m.exec(text)?.[1] ?? ''
    const names = [...commands.matchAll(/^ {2}([a-z][\w-]*)/gm)].map(match => match[1]!).filter(name => name !== 'help')
    const below = words.length === 0 ? [] : names.map(name => section([...words, name], `${depth}#`))
    return [
      `${depth} trustplane${words.map(word => ` ${word}`).join('')}\n\n\`\`\`text\n${text}\n\`\`\`\n`,
      ...below,
    ].join('\n')
  }
  const commands = [...help().matchAll(/^ {2,4}([a-z][\w-]*) {2,}\S/gm)].map(match => match[1]!)
  return `# The command line\n\nMade from \`--help\` by \`npm run docs\`.\n\n${section([])}\n${commands
    .filter(name => name !== 'help')
    .map(name => section([name]))
    .join('\n')}`
}

const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('\n', ' ').trim()
const table = (headers: string[], rows: string[][]) =>
  [headers, headers.map(() => '---'), ...rows].map(row => `| ${row.map(cell).join(' | ')} |`).join('\n')
const read = (file: string) => parse(readFileSync(path(file), 'utf8')) as Record<string, unknown>
const scenarioFiles = () => yamlFiles('scenarios').filter(file => !file.startsWith('scenarios/rehearsals/'))
const folderOf = (file: string) => file.split('/')[1]!
const nameOf = (file: string) => relative(file.split('/')[0]!, file).replace(/\.yaml$/, '')
const yamlFiles = (folder: string) =>
  readdirSync(path(folder), { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.yaml'))
    .map(name => `${folder}/${name}`)
    .sort()

interface RehearsalStep {
  name: string
  whenSkipped: { breaks?: string[]; at?: string; stops?: string }
}

function stepCell({ name, whenSkipped: { breaks, at, stops } }: RehearsalStep): string {
  if (stops) return `**${name}** (without it \`${stops}\` cannot be done)`
  return breaks ? `**${name}** (${breaks.map(one => `\`${one}\``).join(', ')} at \`${at}\`)` : `**${name}**`
}

/** Files that are not as they should be, with how they should be. */
export function staleDocuments(): Map<string, string> {
  const stale = new Map<string, string>()
  const documents = [
    'README.md',
    'scenarios/README.md',
    ...readdirSync(path('docs'))
      .filter(name => name.endsWith('.md') && name !== 'cli.md')
      .map(name => `docs/${name}`),
  ]
  for (const file of documents) {
    const before = readFileSync(path(file), 'utf8')
    const after = before.replace(/<!-- generated: (\S+) -->\n[\s\S]*?<!-- \/generated -->/g, (whole, name: string) => {
      const make = blocks[name]
      return make ? `<!-- generated: ${name} -->\n${make()}\n<!-- /generated -->` : whole
    })
    if (after !== before) stale.set(file, after)
  }
  const reference = commandReference()
  if (!existsSync(path('docs/cli.md')) || readFileSync(path('docs/cli.md'), 'utf8') !== reference)
    stale.set('docs/cli.md', reference)
  for (const [file, made] of [
    ['scenarios/scenario.schema.json', scenarioSchema()],
    ['scenarios/rehearsals/rehearsal.schema.json', rehearsalSchema()],
  ] as const) {
    const schema = JSON.stringify(made)
    if (!existsSync(path(file)) || JSON.stringify(JSON.parse(readFileSync(path(file), 'utf8'))) !== schema)
      stale.set(file, schema)
  }
  return stale
}

if (import.meta.main) {
  const stale = staleDocuments()
  for (const [file, text] of stale) {
    if (process.argv.includes('--check')) console.log(`${file} is not up to date: run \`npm run docs\``)
    else {
      writeFileSync(path(file), text)
      if (file.endsWith('.json')) spawnSync('biome', ['format', '--write', path(file)])
      console.log(`${file} written`)
    }
  }
  process.exitCode = process.argv.includes('--check') && stale.size > 0 ? 1 : 0
}
