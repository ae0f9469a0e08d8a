/** From etcd's flags to what the stand-in starts with; what etcd refuses at once is refused here, in its words. */
import { TrustplaneError } from '#errors.ts'
import type { Voice } from '#x509/types.ts'
import { type FlagValues, parseFlags } from '../flags.ts'
import { type AutoCompaction, parseAutoCompaction } from './auto-compaction.ts'
import { type ClusterInfo, clusterId, memberId } from './cluster.ts'
import { flags } from './flags.ts'
import type { Member } from './types.ts'
import { checkUrls, type ListenUrl, listenUrls } from './urls.ts'

export type EtcdFlags = FlagValues<typeof flags>

export interface Config {
  values: EtcdFlags
  clientUrls: readonly ListenUrl[]
  peerUrls: readonly ListenUrl[]
  metricsUrls: readonly ListenUrl[]
  cluster: ClusterInfo
  autoCompaction: AutoCompaction | undefined
}

/** The versions whose words and shapes the voices have. */
const versions: Record<Voice, string> = { 'go1.19': '3.4.23', 'go1.24': '3.5.16' }

const defaultQuotaBytes = 2 * 2 ** 30

/** @throws TrustplaneError TP_FLAG_UNKNOWN, TP_FLAG_INVALID */
export function readConfig(argv: readonly string[], voice: Voice): Config {
  const { values, given } = parseFlags('etcd', flags, argv)
  if (given.has('listen-client-urls') && !given.has('advertise-client-urls')) {
    throw new TrustplaneError(
      'TP_FLAG_INVALID',
      'etcd: --advertise-client-urls is required when --listen-client-urls is set explicitly',
      { fix: `add --advertise-client-urls=${values['listen-client-urls'].join(',')}` },
    )
  }
  return {
    values,
    clientUrls: listenUrls('listen-client-urls', values['listen-client-urls']),
    peerUrls: listenUrls('listen-peer-urls', values['listen-peer-urls']),
    metricsUrls: listenUrls('listen-metrics-urls', values['listen-metrics-urls'] ?? []),
    cluster: readCluster(values, versions[voice]),
    autoCompaction: parseAutoCompaction(values['auto-compaction-mode'], values['auto-compaction-retention']),
  }
}

export const quotaOf = (values: EtcdFlags): number => {
  const quota = values['quota-backend-bytes']
  // negative: no quota at all
  return quota < 0 ? Number.POSITIVE_INFINITY : quota || defaultQuotaBytes
}

function readCluster(values: EtcdFlags, version: string): ClusterInfo {
  const { name } = values
  const advertised = values['initial-advertise-peer-urls'] ?? ['http://localhost:2380']
  const clientUrls = values['advertise-client-urls'] ?? ['http://localhost:2379']
  checkUrls('initial-advertise-peer-urls', advertised)
  checkUrls('advertise-client-urls', clientUrls)
  const token = values['initial-cluster-token']
  const urlsByName = readInitialCluster(values['initial-cluster'], name, advertised)
  const own = urlsByName.get(name)
  if (!own) {
    throw new TrustplaneError(
      'TP_FLAG_INVALID',
      `etcd: couldn't find local name "${name}" in the initial cluster configuration`,
      {
        fix: `add ${name}=${advertised[0]} to --initial-cluster, or give --name one of ${[...urlsByName.keys()].join(', ')}`,
      },
    )
  }
  if ([...own].sort().join() !== [...advertised].sort().join()) {
    throw new TrustplaneError(
      'TP_FLAG_INVALID',
      `etcd: --initial-cluster has ${own.map(url => `${name}=${url}`).join(',')} but missing from --initial-advertise-peer-urls=${advertised.join(',')}`,
      { fix: 'both must give this member the same URLs' },
    )
  }
  const members = [...urlsByName].map(
    ([memberName, peerUrls]): Member => ({
      id: memberId(peerUrls, token),
      name: memberName,
      peerUrls,
      clientUrls: memberName === name ? clientUrls : [],
    }),
  )
  return {
    id: clusterId(members.map(({ id }) => id)),
    self: members.find(member => member.name === name)!,
    members: [...members].sort((a, b) => (a.id < b.id ? -1 : 1)),
    // one alone leads; of several, somebody will
    leader: members.length === 1 ? members[0]!.id : 0n,
    raftTerm: members.length === 1 ? 2 : 0,
    first: members[0]!.id,
    version,
    clusterVersion: version.replace(/\d+$/, '0'),
  }
}

/** `a=https://10.0.0.1:2380,b=https://10.0.0.2:2380`; a name may come several times. */
function readInitialCluster(text: string | undefined, name: string, advertised: string[]): Map<string, string[]> {
  if (text === undefined || text === '') return new Map([[name, advertised]])
  const urls = new Map<string, string[]>()
  for (const item of text.split(',')) {
    const at = item.indexOf('=')
    const memberName = item.slice(0, Math.max(at, 0)).trim()
    const url = item.slice(at + 1).trim()
    if (memberName === '' || url === '') {
      throw new TrustplaneError(
        'TP_FLAG_INVALID',
        `etcd: error setting up initial cluster: empty URL given for ${JSON.stringify(item)}`,
        {
          fix: 'write --initial-cluster as name=https://127.0.0.1:2380,…',
        },
      )
    }
    checkUrls('initial-cluster', [url])
    urls.set(memberName, [...(urls.get(memberName) ?? []), url])
  }
  return urls
}
