/** What the steps of a scenario do to a mesh that runs. */
import { parseDuration } from '#clock.ts'
import { TrustplaneError } from '#errors.ts'
import { writeConfigurations } from '#mesh/prepare.ts'
import { trustFile } from '#pki/lookup.ts'
import { applyChanges } from '#pki/plan.ts'
import type { TrustSlot } from '#pki/trust-slots.ts'
import type { RowDocument } from '#pki/types.ts'
import { conditionOf } from './conditions.ts'
import { findFault } from './faults/index.ts'
import { argvNow, restart, restartAll, stop } from './performers/components.ts'
import { changeFile, restoreFile, touch } from './performers/files.ts'
import { changesOf, reissue, reissueAll, replaceRows, replaceTrust, samePlace } from './performers/issue.ts'
import { applyObjects, decide, deleteObjects } from './performers/objects.ts'
import type { Stage } from './stage.ts'
import type { DeedName } from './steps.ts'
import type { FaultAttributes, Given, KubernetesObject, Step } from './types.ts'
import { until } from './waiting.ts'

type Map<T> = Readonly<Record<string, T>>

const performers: Record<DeedName, (stage: Stage, targets: readonly string[], value: unknown) => Promise<void>> = {
  renew: async ({ mesh, plan }, targets) => {
    await reissue(mesh, await samePlace(mesh, plan), targets)
  },
  restart: (stage, targets) => each(targets, target => restart(stage, target)),
  stop: (stage, targets) => each(targets, target => stop(stage, target)),
  reload: (stage, targets) => each(targets, target => touch(argvNow(stage, target))),
  'restore-trust': async (stage, targets) => {
    const trust = Object.fromEntries(targets.map(slot => [slot, [...(stage.plan.trust[slot as TrustSlot] ?? [])]]))
    stage.mesh.layout.plan = await applyChanges(stage.mesh.layout.plan, { trust })
    await writeConfigurations(stage.mesh.layout)
    const own = Object.entries(trust).filter(([slot]) => trustFile(stage.plan, slot as TrustSlot)?.startsWith('trust/'))
    await replaceTrust(stage, Object.fromEntries(own))
    for (const component of new Set(targets.map(slot => slot.split('.')[0]!))) {
      if (stage.mesh.members.some(member => member.component === component)) await restart(stage, component)
    }
    // the APIService and the webhook have this one in their objects
    if (targets.includes('kube-apiserver.extension-ca-bundle')) await stage.mesh.bootstrap()
  },
  'restore-flags': (stage, targets) =>
    each(targets, async target => {
      const { [target]: _, ...flags } = stage.mesh.layout.flags ?? {}
      stage.mesh.layout.flags = flags
      await restart(stage, target)
    }),
  'restore-clock': (stage, targets) =>
    each(targets, async target => {
      if (target === 'all') {
        stage.mesh.advanceClock(-stage.mesh.state.clockOffsetMs)
        return
      }
      stage.mesh.setClockOffset(target, 0)
      await restart(stage, target)
    }),
  'restore-files': (stage, targets) => each(targets, target => restoreFile(stage, target)),
  'start-over': async stage => {
    const { mesh } = stage
    mesh.layout.plan = await samePlace(mesh, stage.plan)
    mesh.layout.flags = {}
    for (const { component } of mesh.members) mesh.setClockOffset(component, 0)
    await each([...(stage.originals?.keys() ?? [])], path => restoreFile(stage, path))
    await reissueAll(mesh, mesh.layout.plan)
    await restartAll(stage)
  },
  break: async (stage, _, value) => {
    const given: Given = { changes: {}, flags: {}, clockOffsets: {} }
    for (const [name, attributes] of Object.entries(value as Map<FaultAttributes>)) {
      findFault(name)!.apply(given, attributes)
    }
    const { trust, ...rows } = given.changes
    await replaceRows(stage, rows)
    await replaceTrust(stage, (trust ?? {}) as Map<string[]>)
    for (const [path, change] of Object.entries(given.files ?? {})) await changeFile(stage, path, change)
    for (const [component, offset] of Object.entries(given.clockOffsets)) {
      stage.mesh.advanceClock(offset, component)
    }
    for (const [component, flags] of Object.entries(given.flags)) {
      const { layout } = stage.mesh
      layout.flags = { ...layout.flags, [component]: [...(layout.flags?.[component] ?? []), ...flags] }
      await restart(stage, component)
    }
    if (given.objects) await applyObjects(stage, given.objects)
  },
  replace: (stage, _, value) => replaceRows(stage, changesOf(stage.mesh.layout.plan, value as Map<RowDocument>)),
  'replace-trust': (stage, _, value) => replaceTrust(stage, value as Map<string[]>),
  copy: (stage, _, value) =>
    each(Object.entries(value as Map<string>), ([to, from]) => changeFile(stage, to, { from })),
  write: (stage, _, value) =>
    each(Object.entries(value as Map<string>), ([path, content]) => changeFile(stage, path, { content })),
  remove: (stage, targets) => each(targets, path => changeFile(stage, path, { remove: true })),
  chmod: (stage, _, value) =>
    each(Object.entries(value as Map<string>), ([path, mode]) =>
      changeFile(stage, path, { mode: Number.parseInt(mode, 8) }),
    ),
  'wait-until': async (stage, _, value) => {
    const { what, waiting } = conditionOf(stage, value as Map<Map<unknown>>)
    const seen = await until(stage, waiting)
    if (seen.ok || stage.signal?.aborted) return
    throw new TrustplaneError('TP_TIMEOUT', `waited ${waiting.withinMs / 1000} s until ${what}; it is: ${seen.seen}`, {
      fix: 'give it more time with `within`, or look at the mesh with --keep',
    })
  },
  'advance-clock': async (stage, _, value) => {
    const { by, component } = value as { by: string; component?: string }
    stage.mesh.advanceClock(parseDuration(by), component)
  },
  apply: (stage, _, value) => applyObjects(stage, [value as KubernetesObject].flat()),
  delete: (stage, _, value) => deleteObjects(stage, [value as KubernetesObject].flat()),
  approve: (stage, targets) => decide(stage, targets, 'Approved'),
  deny: (stage, targets) => decide(stage, targets, 'Denied'),
}

/** Does one step. Those that only look (`expect`, `notices`, `run`, `request`) are the runner's. */
export async function perform(stage: Stage, { name, targets, value }: Step): Promise<void> {
  await performers[name as DeedName](stage, targets, value)
}

async function each<T>(items: readonly T[], action: (item: T) => Promise<void>): Promise<void> {
  for (const item of items) await action(item)
}
