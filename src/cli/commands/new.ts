/** `trustplane new scenario`: writes a commented scenario to start from. An existing file is left alone. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, relative } from 'node:path'
import { type Command, Option } from 'commander'
import { TrustplaneError } from '#errors.ts'
import { packagedScenarios } from '#scenarios/find.ts'
import { scenarioTemplate } from '#scenarios/template.ts'
import { createCommand, onRun } from '../command.ts'
import type { Io } from '../io.ts'

export function build(io?: Io): Command {
  const scenario = createCommand({
    name: 'scenario',
    summary: 'write a commented scenario to start from',
    examples: [{ does: 'A file to fill in', line: 'trustplane new scenario scenarios/etcd/my-failure.yaml' }],
  })
    .argument('<file>', 'where; its name is the scenario’s name')
    .addOption(new Option('--force', 'write over what is there'))
  onRun<{ force?: boolean }>(scenario, io, async ([file = ''], { io, options, say }) => {
    if (!/\.ya?ml$/.test(file)) {
      throw new TrustplaneError('TP_USAGE', `a scenario is a .yaml file, found ${JSON.stringify(file)}`, {
        fix: `trustplane new scenario ${file}.yaml`,
      })
    }
    if (existsSync(file) && !options.force) {
      throw new TrustplaneError('TP_USAGE', `${file} is there already`, {
        fix: 'choose another name, or write over it with --force',
      })
    }
    mkdirSync(dirname(file), { recursive: true })
    const schema = relative(dirname(file), `${packagedScenarios()}/scenario.schema.json`)
    writeFileSync(file, scenarioTemplate(schema))
    io.stdout.write(`${file}\n`)
    say(`fill it in, then: trustplane run ${file}`)
  })
  return createCommand({
    name: 'new',
    summary: 'write a commented scenario to start from',
    examples: [{ does: 'A file to fill in', line: 'trustplane new scenario my-failure.yaml' }],
  }).addCommand(scenario)
}
