/**
 * The peer port, and this member's connections to the others. There is no consensus to carry over them: members ask each
 * other's `/raft/probing`, as etcd's rafthttp does to see whether a peer is there, and `/members`, for client URLs. So
 * every pair of peers does its TLS handshakes, and the log says what etcd's says when one of them fails.
 */
import { Agent } from 'undici'
import { createDialer } from '#tls/dial.ts'
import type { Dialer, DialOptions } from '#tls/types.ts'
import type { ComponentContext } from '../component.ts'
import type { EtcdServer } from './etcd-server.ts'
import { createHttp, type HttpServer } from './http.ts'
import { registerNotFound, registerVersion } from './plain-paths.ts'
import type { Security } from './security.ts'
import type { Member } from './types.ts'

/** rafthttp: how often a peer is probed; etcd's ConnReadTimeout bounds a probe. */
const probeIntervalMs = 5000
const probeTimeoutMs = 5000

/** What a peer port serves. */
export async function createPeerHttp(server: EtcdServer): Promise<HttpServer> {
  const { cluster } = server
  const http = await createHttp([])
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

export interface PeerLinks {
  close(): Promise<void>
}

interface PeerLinkOptions {
  server: EtcdServer
  context: ComponentContext
  /** undefined: peers are dialled over plain HTTP alone. */
  security: Security | undefined
  protocol: Pick<DialOptions, 'minVersion' | 'maxVersion' | 'cipherSuites'>
}

/** Probes every other member, now and every few seconds. */
export function linkPeers({ server, context, security, protocol }: PeerLinkOptions): PeerLinks {
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
  const active = new Map<bigint, boolean>()
  const links = others.map(member => {
    const id = member.id.toString(16)
    log.info('added remote peer', { 'local-member-id': server.cluster.self.id.toString(16), 'remote-peer-id': id })
    let timer: NodeJS.Timeout | undefined
    let closed = false
    const probe = async () => {
      try {
        await askPeer(member, plain, dialer)
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
    return () => {
      closed = true
      clearTimeout(timer)
    }
  })
  return {
    async close() {
      for (const stop of links) stop()
      await Promise.all([plain.destroy(), dialer?.close()])
    },
  }
}

/** The first of its URLs that answers; learns its client URLs on the way. */
async function askPeer(member: Member, plain: Agent, dialer: Dialer | undefined): Promise<void> {
  let failure: unknown
  for (const url of member.peerUrls) {
    try {
      const agent = url.startsWith('https:') && dialer ? dialer.agent : plain
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
