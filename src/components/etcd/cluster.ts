/** Who is in the cluster: members and ids as etcd computes them from --initial-cluster, and who leads. */
import { createHash } from 'node:crypto'
import type { Member } from './types.ts'

export interface ClusterInfo {
  id: bigint
  /** This member. */
  self: Member
  members: readonly Member[]
  /** 0n: nobody, as far as this member knows. */
  leader: bigint
  raftTerm: number
  /** The first that --initial-cluster names: it asks for votes at once. */
  first: bigint
  /** As this member says it is: `3.4.23`. */
  version: string
  /** `3.4.0` */
  clusterVersion: string
}

/** Member's id: the first 8 bytes of SHA-1 over its sorted peer URLs and the cluster's token (etcd's membership.NewMember). */
export function memberId(peerUrls: readonly string[], token: string): bigint {
  return createHash('sha1')
    .update([...peerUrls].sort().join('') + token)
    .digest()
    .readBigUInt64BE()
}

/** Cluster's id: the same over its members' ids in ascending order (etcd's RaftCluster.genID). */
export function clusterId(memberIds: readonly bigint[]): bigint {
  const bytes = Buffer.alloc(8 * memberIds.length)
  for (const [i, id] of [...memberIds].sort((a, b) => (a < b ? -1 : 1)).entries()) bytes.writeBigUInt64BE(id, 8 * i)
  return createHash('sha1').update(bytes).digest().readBigUInt64BE()
}
