/** The mesh that a rehearsal is played on, as far as it need be known: one of this process (`Mesh`), or one that another runs (`running.ts`). */
import type { Member } from '#mesh/member.ts'
import type { Mesh } from '#mesh/mesh.ts'

export type PlayedMember = Pick<
  Member,
  'id' | 'component' | 'node' | 'state' | 'words' | 'restarts' | 'restart' | 'settled'
>

export interface PlayedMesh extends Pick<Mesh, 'dir' | 'layout' | 'voice' | 'state'> {
  readonly members: readonly PlayedMember[]
  on(event: 'component', listener: (member: PlayedMember) => void): unknown
  off(event: 'component', listener: (member: PlayedMember) => void): unknown
  /** Of a mesh that another process runs: what has to be done there before the first step, if anything. */
  readonly preparation?: Preparation
  /** Of the same: what has ended there and is not started again; undefined: all is well. One of this process starts everything again. */
  gone?(): { error: string; fix: string } | undefined
}

export interface Preparation {
  does: string
  /** Ids of the components that have to be started again, one after the other. */
  restarts: readonly string[]
}
