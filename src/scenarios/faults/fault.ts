/** What a fault is: something that we break, with attributes; and what mends it. */
import { componentNames } from '#components/component.ts'
import { usersOf } from '#mesh/connections.ts'
import type { AuthorityDocument } from '#pki/types.ts'
import type { Attribute } from '../attributes.ts'
import type { FaultAttributes, Given, Step } from '../types.ts'

export interface Fault {
  name: string
  /** What is wrong then, in a sentence that an attribute list completes. */
  summary: string
  attributes: Readonly<Record<string, Attribute>>
  /** Adds the fault to what a mesh is started with. */
  apply(given: Given, attributes: FaultAttributes): void
  /** The steps that take it away from a mesh that runs. */
  undo(attributes: FaultAttributes): Step[]
}

/** The attribute as one text; the loader has checked that it is. */
export const text = (attributes: FaultAttributes, name: string): string => String(attributes[name])

export const texts = (attributes: FaultAttributes, name: string): string[] => [attributes[name] ?? []].flat()

/** Changes one row of the plan, whichever section it stands in: kubeconfigs end in `.conf`. */
export function changeRow(given: Given, name: string, fields: Record<string, unknown>): void {
  const section = name.endsWith('.conf') ? 'kubeconfigs' : 'certificates'
  const rows = (given.changes[section] ?? {}) as Record<string, object | null>
  given.changes = { ...given.changes, [section]: { ...rows, [name]: { ...rows[name], ...fields } } }
}

export function changeAuthority(given: Given, name: string, fields: AuthorityDocument): void {
  const { authorities } = given.changes
  given.changes = { ...given.changes, authorities: { ...authorities, [name]: { ...authorities?.[name], ...fields } } }
}

/** Adds an authority that has the name of another and a key of its own. @returns its name in the plan */
export function formerAuthority(given: Given, commonName: string): string {
  const name = `former-${commonName}`
  changeAuthority(given, name, { file: `pki/${name}`, commonName })
  return name
}

/** What an authority signed is in too many files to be put back one by one. */
export const startOver = (): Step[] => [{ name: 'start-over', targets: ['everything'] }]

/** Issue the certificate anew as the plan has it, and restart who uses it: some originals read theirs only at start. */
export const renewed = (attributes: FaultAttributes): Step[] => {
  const certificate = text(attributes, 'certificate')
  const users = usersOf(certificate).filter(name => (componentNames as readonly string[]).includes(name))
  return [{ name: 'renew', targets: [certificate] }, ...(users.length > 0 ? [{ name: 'restart', targets: users }] : [])]
}
