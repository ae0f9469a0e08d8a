/** Groups and versions: their order and priorities, as kube-aggregator's apiVersionPriorities. */
import { groupVersions } from '../resources/table.ts'

export interface GroupVersion {
  group: string
  version: string
  /** Higher comes first. */
  groupPriorityMinimum: number
  versionPriority: number
}

const priorities: Record<string, [group: number, version: number]> = {
  '/v1': [18000, 1],
  'apps/v1': [17800, 15],
  'events.k8s.io/v1': [17750, 15],
  'authentication.k8s.io/v1': [17700, 15],
  'authorization.k8s.io/v1': [17600, 15],
  'certificates.k8s.io/v1': [17300, 15],
  'rbac.authorization.k8s.io/v1': [17000, 15],
  'admissionregistration.k8s.io/v1': [16700, 15],
  'apiextensions.k8s.io/v1': [16700, 15],
  'coordination.k8s.io/v1': [16500, 15],
  'discovery.k8s.io/v1': [16200, 15],
  'apiregistration.k8s.io/v1': [20000, 1],
}

/** Served by this process, in the order of discovery. */
export const localGroups: readonly GroupVersion[] = groupVersions
  .map(({ group, version }) => {
    const [groupPriorityMinimum, versionPriority] = priorities[`${group}/${version}`] ?? [1000, 15]
    return { group, version, groupPriorityMinimum, versionPriority }
  })
  .sort((a, b) => b.groupPriorityMinimum - a.groupPriorityMinimum || b.versionPriority - a.versionPriority)

export const apiServiceName = ({ group, version }: { group: string; version: string }) => `${version}.${group}`
