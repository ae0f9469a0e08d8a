/** `npm run bench [NAME…] [-- -o json]`: runs the benchmarks beside this file one after the other and prints their figures. */
import { readdirSync } from 'node:fs'
import { basename } from 'node:path'

/** One figure. `target` says what it should be, in words (`≤ 1 ms`); `baseline` is the same thing done by something else in the same run. */
export interface Figure {
  name: string
  value: number
  unit: string
  target?: string
  baseline?: string
}

const args = process.argv.slice(2)
const json = args.some((word, i) => word === '-ojson' || (word === 'json' && args[i - 1] === '-o'))
const wanted = args.filter(word => !word.startsWith('-') && word !== 'json')

const figures: (Figure & { benchmark: string })[] = []
for (const file of readdirSync(import.meta.dirname)
  .filter(name => name.endsWith('.ts') && name !== 'run.ts')
  .sort()) {
  const benchmark = basename(file, '.ts')
  if (wanted.length > 0 && !wanted.includes(benchmark)) continue
  const { run } = (await import(`./${file}`)) as { run?: () => Promise<Figure[]> }
  if (!run) continue
  if (!json) process.stderr.write(`${benchmark} …\n`)
  for (const figure of await run()) {
    figures.push({ benchmark, ...figure })
    if (!json) {
      const value = figure.value >= 100 ? figure.value.toFixed(0) : figure.value.toPrecision(3)
      const tail = [figure.target && `target ${figure.target}`, figure.baseline].filter(Boolean).join(', ')
      console.log(
        `${benchmark.padEnd(16)} ${figure.name.padEnd(64)} ${value.padStart(9)} ${figure.unit}${tail ? `   (${tail})` : ''}`,
      )
    }
  }
}
if (json)
  console.log(
    JSON.stringify({ apiVersion: 'trustplane.io/v1alpha1', kind: 'BenchmarkReport', items: figures }, null, 2),
  )
