/** What a forked component runs when trustplane runs from its sources: `node child.ts kubelet`. The bundle goes by way of bin/trustplane.js. */
import type { ComponentName } from '#components/component.ts'

const [name, ...argv] = process.argv.slice(2)
if (name === 'guard') {
  const { guard } = await import('./guard.ts')
  process.exitCode = await guard(argv)
} else if (name === 'cli') {
  // by its address, not by its room: mesh/ lies below cli/, and only starts it
  const { main } = (await import(new URL('../cli/main.ts', import.meta.url).href)) as {
    main(argv: readonly string[]): Promise<number>
  }
  process.exitCode = await main(argv)
} else {
  const { runComponent } = await import('#components/run.ts')
  process.exitCode = (await runComponent(name as ComponentName, argv)) ?? 0
}
