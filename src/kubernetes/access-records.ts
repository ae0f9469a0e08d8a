/** What HTTP adds to a connection's record: who it was, and what the server said to them. */
import type { Peer } from '#tls/types.ts'
import type { Refused } from './admission-filter.ts'
import type { UserInfo } from './types.ts'

/** What the last record of a connection said: another is written only when there is something new to say. */
const told = new WeakMap<Peer, string>()

export interface AccessedBy {
  method?: string | undefined
  url?: string | undefined
}

export function recordAnswer(
  peer: Peer,
  request: AccessedBy,
  status: number,
  user: UserInfo | undefined,
  refused: Refused | undefined,
): void {
  const outcome = status === 401 ? 'authentication' : status === 403 ? 'authorization' : 'ok'
  const news = `${outcome}\0${user?.username ?? ''}`
  if (told.get(peer) === news) return
  told.set(peer, news)
  const who = user ? { user: { name: user.username, groups: [...user.groups] } } : {}
  const http = { status, method: request.method ?? '', path: (request.url ?? '').split('?', 1)[0]! }
  if (outcome === 'ok') {
    peer.record({ outcome: 'ok', ...who, http })
    return
  }
  peer.record({
    outcome: 'refused',
    refusedBy: 'server',
    layer: outcome,
    reason: outcome === 'authorization' ? 'forbidden' : (refused?.reason ?? 'unauthorized'),
    message: refused?.message ?? (outcome === 'authorization' ? 'Forbidden' : 'Unauthorized'),
    ...who,
    http,
  })
}
