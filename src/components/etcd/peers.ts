/**
 * The peer port, and this member's connections to the others: what Raft says (`raft/`), and, as etcd's rafthttp does to see whether a
 * peer is there, `/raft/probing`, and `/members`, for client URLs. So every pair of peers does its TLS handshakes, and the log
 * says what etcd's says when one of them fails.
 */
import { Agent, type Dispatcher } from 'undici'
import { createDialer } from '#tls/dial.ts'
import type { Dialer, DialOptions } from '#tls/types.ts'
import type { ComponentContext } from '../component.ts'
import type { EtcdServer } from './etcd-server.ts'
import { createHttp, type HttpServer } from './http.ts'
import { registerNotFound, registerVersion } from './plain-paths.ts'
import type { Answer, Message } from './raft/messages.ts'
import { postMessage, raftHandler } from './raft/transport.ts'
import type { Security } from './security.ts'
import type { Member } from './types.ts'

/** rafthttp: how often a peer is probed; etcd's ConnReadTimeout bounds a probe. */
const probeIntervalMs = 5000
const probeTimeoutMs = 5000

/** What a peer port serves. */
export async function createPeerHttp(server: EtcdServer): Promise<HttpServer> {
  const { cluster } = server
  const http = await createHttp(cluster.members.length > 1 ? [raftHandler(server)] : [])
  const { app } = http
  registerVersion(app, server)
  registerNotFound(app)
  app.get('/raft/probing', async (_, reply) => {
    reply.type('text/plain; charset=utf-8')
    return JSON.stringify({ OK: true, Now: new Date().toISOString() })
  })
  app.get('/members', async (_, reply) => {
    reply.header('Content-Type', 'application/json').header('X-Etcd-Cluster-Id', cluster.id.toString(16))
    const members = cluster.members.map(({ id, name, peerUrls, clientUrls }) => {
      const list = JSON.stringify({ peerURLs: peerUrls, name, clientURLs: clientUrls })
      // an id has more digits than a double
      return `{"id":${id},${list.slice(1)}`
    })
    return Buffer.from(`[${members.join(',')}]\n`)
  })
  await app.ready()
  return http
}

export interface Peers {
  /** @throws Error, when the member cannot be reached or does not answer in time */
  send(to: string, message: Message, timeoutMs: number): Promise<Answer>
  /** Probes every other member, now and every few seconds. */
  watch(): void
  close(): Promise<void>
}

interface PeerOptions {
  server: EtcdServer
  context: ComponentContext
  /** undefined: peers are dialled over plain HTTP alone. */
  security: Security | undefined
  protocol: Pick<DialOptions, 'minVersion' | 'maxVersion' | 'cipherSuites'>
}

export function openPeers({ server, context, security, protocol }: PeerOptions): Peers {
  const { clock, voice, log, records } = context
  const others = server.cluster.members.filter(member => member !== server.cluster.self)
  const dialer: Dialer | undefined =
    security &&
    createDialer({
      component: 'etcd-peer',
      from: 'etcd-peer',
      to: 'etcd-peer',
      clock,
      voice,
      log,
      records,
      identity: security.dialIdentity,
      roots: security.bundle,
      ...protocol,
    })
  const plain = new Agent()
  const agentFor = (url: string) => (url.startsWith('https:') && dialer ? dialer.agent : plain)
  const active = new Map<bigint, boolean>()
  const links: (() => void)[] = []
  const watch = (member: Member) => {
    const id = member.id.toString(16)
    log.info('added remote peer', { 'local-member-id': server.cluster.self.id.toString(16), 'remote-peer-id': id })
    let timer: NodeJS.Timeout | undefined
    let closed = false
    const probe = async () => {
      try {
        await askPeer(member, agentFor)
        if (active.get(member.id) !== true) log.info('peer became active', { 'peer-id': id })
        active.set(member.id, true)
      } catch (error) {
        if (closed) return
        const words = (error as Error).message
        if (active.get(member.id) === true)
          log.warn('peer became inactive (message send to peer failed)', { 'peer-id': id, error: words })
        log.warn('prober detected unhealthy status', {
          'round-tripper-name': 'ROUND_TRIPPER_SNAPSHOT',
          'remote-peer-id': id,
          rtt: '0s',
          error: words,
        })
        active.set(member.id, false)
      }
      server.activePeers = [...active.values()].filter(Boolean).length
      if (!closed) timer = setTimeout(probe, probeIntervalMs).unref()
    }
    void probe()
    links.push(() => {
      closed = true
      clearTimeout(timer)
    })
  }
  return {
    send(to, message, timeoutMs) {
      const urls = others.find(({ name }) => name === to)!.peerUrls
      return postMessage(agentFor(urls[0]!), urls, message, { clusterId: server.cluster.id, timeoutMs })
    },
    watch: () => others.forEach(watch),
    async close() {
      for (const stop of links) stop()
      await Promise.all([plain.destroy(), dialer?.close()])
    },
  }
}

/** The first of its URLs that answers; learns its client URLs on the way. */
async function askPeer(member: Member, agentFor: (url: string) => Dispatcher): Promise<void> {
  let failure: unknown
  for (const url of member.peerUrls) {
    try {
      const agent = agentFor(url)
      const get = (path: string) =>
        agent.request({ origin: url, path, method: 'GET', signal: AbortSignal.timeout(probeTimeoutMs) })
      const probing = await get('/raft/probing')
      await probing.body.dump()
      const { body } = await get('/members')
      const members = (await body.json()) as { name?: string; clientURLs?: string[] }[]
      const known = members.find(({ name }) => name === member.name)
      if (known?.clientURLs) member.clientUrls = known.clientURLs
      return
    } catch (error) {
      failure = error
    }
  }
  throw failure
}
