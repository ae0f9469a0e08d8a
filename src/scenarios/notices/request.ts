/** A request with our own client, as one component: what it is answered, or why it is not. */
import { offsetClock } from '#clock.ts'
import { messageOf } from '#errors.ts'
import { createTransport } from '#kubernetes/transport.ts'
import { silentLog } from '#log.ts'
import { connections } from '#mesh/connections.ts'
import { addressOf } from '#mesh/layout.ts'
import { memoryBundle } from '#tls/bundle.ts'
import { createDialer } from '#tls/dial.ts'
import { filledIn, type Stage } from '../stage.ts'
import type { NoticeAttributes } from '../types.ts'
import { askerOf, bundleOf, sourcesOf } from './asking.ts'
import { type NoticeSpec, text, within } from './notice.ts'

interface Answer {
  /** Undefined: none came, and `words` says why. */
  status?: number
  words: string
}

export const request: NoticeSpec = {
  name: 'request',
  description: 'A request with trustplane’s own client, as one component.',
  attributes: {
    as: { kind: 'who', optional: true, description: 'Who asks. Left out: admin.' },
    to: { kind: 'whom', optional: true, description: 'Whom. Left out: kube-apiserver.' },
    path: { kind: 'text', description: 'With its query: `/api/v1/nodes`.' },
    method: { kind: 'text', optional: true, description: 'Left out: GET.' },
    headers: { kind: 'map', optional: true, description: 'More headers: `X-Remote-User: jane`.' },
    token: { kind: 'text', optional: true, description: 'A bearer token.' },
    body: { kind: 'text', optional: true, description: 'JSON.' },
    trust: {
      kind: 'authorities',
      optional: true,
      description: 'Whom the server is believed from. Left out: as who asks does.',
    },
    maxVersion: {
      kind: 'word',
      values: ['TLSv1.2', 'TLSv1.3'],
      optional: true,
      description: 'The newest that the client speaks.',
    },
    cipherSuites: { kind: 'texts', optional: true, description: 'Of TLS 1.2, by Go’s names.' },
    status: { kind: 'number', optional: true, description: 'Of the answer. Left out: 2xx; with `says`: any, or none.' },
    says: { kind: 'text', optional: true, description: 'A part of the answer, or of why there is none.' },
    within,
  },
  expected(attributes) {
    const { status, says } = attributes
    const what = status === undefined ? (says === undefined ? 'HTTP 2xx' : '') : `HTTP ${status}`
    return `${question(attributes)}: ${[what, says === undefined ? '' : JSON.stringify(says)].filter(Boolean).join(', ')}`
  },
  async look(stage, attributes) {
    const { status, words } = await ask(stage, attributes)
    const { status: wanted, says } = attributes
    const fits = wanted === undefined ? says !== undefined || (status ?? 0) < 300 : status === wanted
    const ok = (status !== undefined || says !== undefined) && fits && words.includes(text(attributes, 'says'))
    return {
      ok,
      seen: `${question(attributes)}: ${status === undefined ? '' : `HTTP ${status}, `}${words.slice(0, 400)}`,
    }
  },
}

const question = (attributes: NoticeAttributes) =>
  `${text(attributes, 'method', 'GET')} ${text(attributes, 'to', 'kube-apiserver')}${text(attributes, 'path')} as ${text(attributes, 'as', 'admin')}`

async function ask(stage: Stage, attributes: NoticeAttributes): Promise<Answer> {
  const { mesh } = stage
  const { layout } = mesh
  const [as, to] = [text(attributes, 'as', 'admin'), text(attributes, 'to', 'kube-apiserver')]
  const row = connections.find(candidate => candidate.from === as && candidate.to === to)
  const place = row ?? connections.find(candidate => candidate.to === to)!
  const { host, port } = addressOf(layout, place.port)
  const asker = askerOf(layout, as, to)
  let sources: ReturnType<typeof sourcesOf>
  try {
    sources = sourcesOf(layout, asker, to)
  } catch (error) {
    return { words: messageOf(error) }
  }
  const trust = attributes.trust as string[] | undefined
  const roots = trust ? bundleOf(layout, trust) : sources.roots
  const offset = mesh.clockOffsetOf(as)
  const { maxVersion, cipherSuites } = attributes as { maxVersion?: 'TLSv1.2'; cipherSuites?: string[] }
  const dialer = createDialer({
    component: 'scenario',
    from: `scenario:${as}`,
    to,
    clock: offsetClock(offset),
    voice: mesh.voice,
    log: silentLog,
    records: { write() {}, close: async () => {} },
    ...(sources.identity ? { identity: sources.identity } : {}),
    roots: roots ?? memoryBundle([]),
    insecureSkipVerify: roots === undefined,
    ...(place.serverName === undefined ? {} : { servername: place.serverName }),
    ...(maxVersion ? { maxVersion } : {}),
    ...(cipherSuites ? { cipherSuites } : {}),
  })
  const transport = createTransport({ dialer, server: `https://${host}:${port}`, connections: 1 })
  const fill = (name: string) => filledIn(mesh, text(attributes, name))
  try {
    const answer = await transport.request({
      method: text(attributes, 'method', 'GET'),
      path: fill('path'),
      headers: {
        accept: 'application/json',
        'user-agent': 'trustplane-scenario',
        ...(attributes.token === undefined ? {} : { authorization: `Bearer ${text(attributes, 'token')}` }),
        ...(attributes.body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(attributes.headers as Record<string, string> | undefined),
      },
      ...(attributes.body === undefined ? {} : { body: fill('body') }),
      signal: AbortSignal.timeout(5000),
    })
    return { status: answer.status, words: await answer.text() }
  } catch (error) {
    return { words: messageOf(error) }
  } finally {
    await transport.close()
    await dialer.close()
    sources.identity?.close()
    roots?.close()
  }
}
