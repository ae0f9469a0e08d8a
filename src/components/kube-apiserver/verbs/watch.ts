/** watch: events of etcd, as lines of JSON, for as long as the client listens. */
import { Readable } from 'node:stream'
import { badRequest } from '#kubernetes/status.ts'
import type { Status, Unstructured } from '#kubernetes/types.ts'
import { apiVersionOf } from '../resources/types.ts'
import { decode } from '../storage/codec.ts'
import { type StoreEvent, watchExpired } from '../storage/watch.ts'
import { keyFor, prefixFor } from './keys.ts'
import { negotiate } from './negotiate.ts'
import { selectionOf } from './selectors.ts'
import { type IncludeObject, transform } from './table.ts'
import type { Answer, Api, ApiRequest, Handler } from './types.ts'

const bookmarkEveryMs = 60_000

/** What may wait for a client. */
const slowestBytes = 32 * 1024 * 1024

/** `--min-request-timeout`: a watch without timeoutSeconds ends after 30 to 60 minutes. */
const defaultTimeoutMs = () => (1800 + Math.random() * 1800) * 1000

export const watch: Handler = async (api, request): Promise<Answer> => {
  const { query } = request
  const asked = query.get('resourceVersion') ?? ''
  const initial = query.get('sendInitialEvents') === 'true'
  if (initial && query.get('resourceVersionMatch') !== 'NotOlderThan')
    throw badRequest(
      'resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan',
    )
  if (!/^\d*$/.test(asked))
    throw badRequest(
      `Invalid value: ${JSON.stringify(asked)}: strconv.ParseUint: parsing ${JSON.stringify(asked)}: invalid syntax`,
    )
  const bookmarks = query.get('allowWatchBookmarks') === 'true'
  const stream = new WatchStream(api, request)
  if (asked === '' || asked === '0' || initial) await stream.listFirst(initial && bookmarks)
  else stream.follow(Number(asked))
  if (bookmarks) stream.bookmark(bookmarkEveryMs)
  const seconds = Number(query.get('timeoutSeconds') ?? 0)
  stream.endAfter(seconds > 0 ? seconds * 1000 : defaultTimeoutMs())
  return { code: 200, stream: stream.out, headers: { 'content-type': 'application/json' } }
}

class WatchStream {
  readonly out: Readable
  readonly #api: Api
  readonly #request: ApiRequest
  readonly #matches: ((object: Unstructured) => boolean) | undefined
  readonly #prefix: string
  readonly #exact: boolean
  readonly #plain: boolean
  readonly #timers: NodeJS.Timeout[] = []
  #unsubscribe = () => {}
  #revision = 0
  #withColumns = true

  constructor(api: Api, request: ApiRequest) {
    this.#api = api
    this.#request = request
    const { definition, info, query, accept } = request
    const { matches, name } = selectionOf(definition, query)
    this.#matches = matches
    this.#exact = name !== undefined && (info.namespace !== '' || !definition.namespaced)
    this.#prefix = this.#exact ? keyFor(definition, info.namespace, name!) : prefixFor(definition, info.namespace)
    this.#plain = negotiate(accept).as === undefined && !definition.conversion
    this.out = new Readable({ read() {}, highWaterMark: 1 << 20 })
    this.out.on('close', () => this.#stop())
    request.signal.addEventListener('abort', () => this.out.destroy(), { once: true })
  }

  /** The objects that are there now, as ADDED; then what comes. */
  async listFirst(markEnd: boolean): Promise<void> {
    const answer = this.#exact
      ? await this.#api.store.etcd.range({ key: this.#prefix })
      : await this.#api.store.list({ prefix: this.#prefix })
    for (const kv of answer.kvs) {
      const object = decode(kv.value, kv.modRevision)
      if (this.#wanted(object)) this.#send('ADDED', object)
    }
    this.#revision = answer.revision
    if (markEnd) this.#sendBookmark({ 'k8s.io/initial-events-end': 'true' })
    this.follow(answer.revision)
  }

  follow(revision: number): void {
    const { hub } = this.#api.store
    this.#revision = revision
    this.#unsubscribe = hub.subscribe(this.#prefix, revision, {
      onEvent: event => this.#onEvent(event),
      onExpired: () => {
        const { status } = watchExpired(this.#revision, hub.revision)
        this.#sendError(status)
        this.out.push(null)
      },
      onProgress: reached => {
        this.#revision = Math.max(this.#revision, reached)
      },
    })
  }

  bookmark(everyMs: number): void {
    this.#timers.push(setInterval(() => this.#sendBookmark(), everyMs).unref())
  }

  endAfter(ms: number): void {
    this.#timers.push(setTimeout(() => this.out.push(null), ms).unref())
  }

  #stop(): void {
    this.#unsubscribe()
    for (const timer of this.#timers) clearTimeout(timer)
  }

  #shown(object: Unstructured): Unstructured {
    const { conversion } = this.#request.definition
    return conversion ? conversion.fromStored({ ...object }) : object
  }

  #wanted(object: Unstructured): boolean {
    return this.#matches === undefined || this.#matches(this.#shown(object))
  }

  /** An object that begins to match is ADDED for this client, one that ceases to is DELETED. */
  #onEvent(event: StoreEvent): void {
    if (this.#exact && event.key !== this.#prefix) return
    this.#revision = event.revision
    if (!this.#matches && this.#plain) {
      const type = event.deleted ? 'DELETED' : event.previous === undefined ? 'ADDED' : 'MODIFIED'
      let line = event.lines.get(type)
      if (line === undefined) {
        line = `{"type":"${type}","object":${JSON.stringify(event.object)}}\n`
        event.lines.set(type, line)
      }
      this.#push(line)
      return
    }
    const before = event.previous !== undefined && this.#wanted(event.previous)
    const now = !event.deleted && this.#wanted(event.object)
    if (now) this.#send(before ? 'MODIFIED' : 'ADDED', event.object)
    else if (before) this.#send('DELETED', event.previous!)
  }

  #send(type: string, object: Unstructured): void {
    const { definition, accept, query } = this.#request
    const form = negotiate(accept)
    const body = transform(this.#shown(object), form, {
      definition,
      now: this.#api.clock.now(),
      include: (query.get('includeObject') as IncludeObject | null) ?? 'Metadata',
      withColumns: this.#withColumns,
    })
    if (form.as === 'Table') this.#withColumns = false
    this.#push(`${JSON.stringify({ type, object: body })}\n`)
  }

  /** Who reads too slowly is cut off, and lists anew, as in the original. */
  #push(line: string): void {
    if (this.out.readableLength > slowestBytes) this.out.destroy()
    else this.out.push(line)
  }

  #sendBookmark(annotations?: Record<string, string>): void {
    const { definition } = this.#request
    const object = {
      kind: definition.kind,
      apiVersion: apiVersionOf(definition),
      metadata: {
        resourceVersion: String(this.#revision),
        creationTimestamp: null,
        ...(annotations ? { annotations } : {}),
      },
    }
    this.#send('BOOKMARK', object)
  }

  #sendError(status: Status): void {
    this.out.push(`${JSON.stringify({ type: 'ERROR', object: status })}\n`)
  }
}
