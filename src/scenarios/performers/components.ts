/** Components: stopped, started, and told another time. */
import { argvOf } from '#mesh/argv.ts'
import { withoutStorage } from '#mesh/begin.ts'
import type { Stage } from '../stage.ts'

const membersOf = ({ mesh }: Stage, component: string) =>
  mesh.members.filter(member => member.component === component || member.id === component)

export async function restart(stage: Stage, component: string): Promise<void> {
  const { mesh } = stage
  await Promise.all(
    membersOf(stage, component).map(async member => {
      await member.restart(argvOf(mesh.layout, member))
      await Promise.race([
        member.settled(10_000, stage.signal),
        // one whose etcd refuses it does not get any further, and need not be waited for
        ...(member.component === 'kube-apiserver' ? [withoutStorage(mesh)] : []),
      ])
    }),
  )
}

export const stop = async (stage: Stage, component: string): Promise<void> => {
  await Promise.all(membersOf(stage, component).map(member => member.stop()))
}

/** What it has on its command line now. */
export const argvNow = (stage: Stage, component: string): string[] =>
  membersOf(stage, component).flatMap(member => member.argv)

/** In the order in which a mesh starts: each needs the one before. */
export async function restartAll(stage: Stage): Promise<void> {
  const names = [...new Set(stage.mesh.members.map(member => member.component))]
  const [etcd, apiserver, ...others] = names
  await restart(stage, etcd!)
  await restart(stage, apiserver!)
  await Promise.all([stage.mesh.bootstrap(), ...others.map(name => restart(stage, name))])
}
