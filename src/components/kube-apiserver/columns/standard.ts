/** Columns that most kinds have. */
import type { Column } from '../resources/types.ts'
import { array, at, nameOf, since, text } from './values.ts'

export const name: Column = {
  name: 'Name',
  format: 'name',
  description:
    'Name must be unique within a namespace. Is required when creating resources, although some resources may allow a client to request the generation of an appropriate name automatically. Name is primarily intended for creation idempotence and configuration definition. Cannot be updated. More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names',
  value: nameOf,
}

export const age: Column = {
  name: 'Age',
  description:
    'CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata',
  value: (object, now) => since(object.metadata.creationTimestamp, now),
}

const containersOf = (object: unknown) => array(object, 'spec', 'template', 'spec', 'containers')

export const containers: Column = {
  name: 'Containers',
  wide: true,
  description: 'Names of each container in the template.',
  value: object =>
    containersOf(object)
      .map(container => text(container, 'name'))
      .join(','),
}

export const images: Column = {
  name: 'Images',
  wide: true,
  description: 'Images referenced by each container in the template.',
  value: object =>
    containersOf(object)
      .map(container => text(container, 'image'))
      .join(','),
}

/** A number of the object, as the original prints it: as an integer cell. */
export const count = (name: string, ...path: string[]): Column => ({
  name,
  type: 'integer',
  value: object => Number(at(object, ...path) ?? 0),
})
