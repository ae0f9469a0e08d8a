/** `trustplane drill start`, which is `trustplane drill`: breaks something, and says what people say. */
import { randomInt } from 'node:crypto'
import { join, resolve } from 'node:path'
import { type Command, Option } from 'commander'
import { chooseDrill, drills } from '#drills/catalogue.ts'
import { prepareDrill } from '#drills/run.ts'
import type { Drill, Level } from '#drills/types.ts'
import { exitCodes } from '#errors.ts'
import { parsePorts } from '#mesh/ports.ts'
import { createCommand, onRun, wholeNumber } from '../../command.ts'
import { detachDrill } from '../../drill-detached.ts'
import type { Io } from '../../io.ts'
import { printDocument } from '../../output.ts'

interface Options {
  seed?: number
  level?: Level
  ports: string
}

export function buildStart(io: Io | undefined): Command {
  const command = createCommand({
    name: 'start',
    summary: 'break something, and say what people notice (the default)',
    description:
      'In the folder of --dir, which must be empty: what a drill makes is gone after `trustplane drill stop`.\nWhich one it is comes by chance, by --seed, or by its name of `trustplane drill list`.',
    formats: ['pretty', 'json', 'yaml'],
    examples: [
      { does: 'Any', line: 'trustplane drill' },
      { does: 'A hard one', line: 'trustplane drill --level 3' },
      { does: 'This one, somewhere else', line: 'trustplane drill drill-7c1e --dir /tmp/drill' },
    ],
  })
    .argument('[name]', 'one of `trustplane drill list`')
    .addOption(new Option('--seed <number>', 'the same number, the same drill').argParser(wholeNumber(0, 2 ** 32 - 1)))
    .addOption(
      new Option('--level <1-3>', '1: one look tells; 2: compare both ends; 3: it is not where it shows').argParser(
        wholeNumber(1, 3),
      ),
    )
    .addOption(new Option('--ports <which>', 'as of `trustplane up`').default('random'))
  return onRun<Options>(command, io, async ([name], { io, options, say }) => {
    const { dir, level, ports, seed = randomInt(2 ** 32 - 1) } = options
    parsePorts(ports)
    const drill = chooseDrill(await drills(), { seed, ...(name ? { name } : {}), ...(level ? { level } : {}) })
    prepareDrill(dir, drill, seed)
    say('starting a control plane, and breaking it …')
    const status = await detachDrill(io, dir, ports)
    if (status !== exitCodes.ok) return status
    if ((options.output as string) === 'pretty') io.stdout.write(introduction(drill, dir, seed))
    else {
      const { id, level, symptoms } = drill
      const document = { id, level, seed, symptoms, dir: resolve(dir), kubeconfig: join(resolve(dir), 'admin.conf') }
      await printDocument(io, 'DrillStarted', document, options.output as 'json' | 'yaml')
    }
    return exitCodes.ok
  })
}

function introduction({ id, level, symptoms }: Drill, dir: string, seed: number): string {
  const here = dir === '.trustplane' ? '' : ` --dir ${dir}`
  const place = resolve(dir)
  return `${id}, level ${level} (again: trustplane drill ${id} --seed ${seed})

What people say:
${symptoms.map(line => `  - ${line}\n`).join('')}
Find out why, and mend it, so that nobody is believed who was not before. You have
  export KUBECONFIG=${join(place, 'admin.conf')}
  ${place}/pki, *.conf, kubelet/   certificates, keys, kubeconfigs, as in /etc/kubernetes
  ${place}/manifests               command lines, to be edited
  ${place}/logs                    or trustplane logs NAME${here}
  trustplane restart NAME${here}   reads everything again
  trustplane pki --help            issue and renew as kubeadm does; openssl does, too
(trustplane status${here} shows which connection fails. trustplane explain would tell you the answer: leave it for later.)

  trustplane drill hint${here}     a little help; they are counted
  trustplane drill check${here}    is it mended?
  trustplane drill reveal${here}   what it was
  trustplane drill stop${here}
`
}
