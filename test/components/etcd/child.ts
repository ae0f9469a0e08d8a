/** etcd's stand-in as a process, for tests that kill it. */
import { runComponent } from '#components/run.ts'

process.exitCode = await runComponent('etcd', process.argv.slice(2))
