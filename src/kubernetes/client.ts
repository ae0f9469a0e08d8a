/** A small client of the API: typed by the table of resources, over connections that `#tls` verified. */
import { Backoff, pause } from './backoff.ts'
import type {
  At,
  DeleteOptions,
  ListOptions,
  PatchOptions,
  RawRequest,
  WatchOptions,
  WriteOptions,
} from './client-options.ts'
import { lines } from './json-lines.ts'
import { apiVersionOf, pathOf, type Resource } from './resources.ts'
import { genericResponse, StatusError } from './status.ts'
import { createTransport, type RawAnswer, requestError, type TransportOptions } from './transport.ts'
import type { KubeObject, List, Status, WatchEvent } from './types.ts'

const patchTypes = {
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  json: 'application/json-patch+json',
  apply: 'application/apply-patch+yaml',
} as const

export interface ClientOverOptions extends TransportOptions {
  userAgent: string
  /** Asked before every request, so that a token file may change. */
  token?: () => string | undefined
  /** Sent with every request (impersonation). */
  headers?: Record<string, string | string[]>
  /** Told of every request that was made: for metrics. `code` is the HTTP status, or `<error>`. */
  onRequest?: (made: { method: string; host: string; code: string; seconds: number }) => void
  onClose?: () => Promise<void> | void
  /** End every connection, so that the next request handshakes anew. */
  closeConnections?: () => void
}

export type Client = ReturnType<typeof createClientOver>

/** A client over a dialer that is there already. `createClient` makes one of a kubeconfig. */
export function createClientOver(options: ClientOverOptions) {
  const transport = createTransport(options)
  const host = new URL(options.server).host
  const closing = new AbortController()
  // by its global name, which a declaration can say
  const closed: globalThis.AbortSignal = closing.signal

  async function raw(request: RawRequest): Promise<RawAnswer> {
    const { method = 'GET', path, body, signal, streaming } = request
    const token = options.token?.()
    const json = typeof body === 'object' && !(body instanceof Uint8Array)
    const headers: Record<string, string | string[]> = {
      accept: 'application/json, */*',
      'user-agent': options.userAgent,
      ...(token ? { authorization: `Bearer ${token}` } : {}),
      ...options.headers,
      ...(json ? { 'content-type': 'application/json' } : {}),
      ...request.headers,
    }
    const started = performance.now()
    let code = '<error>'
    try {
      for (let tries = 0; ; tries++) {
        const answer = await transport.request({
          method,
          path,
          headers,
          ...(body === undefined ? {} : { body: json ? JSON.stringify(body) : (body as string | Uint8Array) }),
          ...(signal ? { signal } : {}),
          ...(streaming ? { streaming } : {}),
        })
        code = String(answer.status)
        // client-go: a Retry-After on 429 or 5xx is obeyed, at most ten times.
        const after = answer.headers['retry-after']
        if (typeof after !== 'string' || !(answer.status === 429 || answer.status >= 500) || tries >= 10) return answer
        await answer.stream.dump()
        const given = signal ? AbortSignal.any([signal, closing.signal]) : closing.signal
        await pause(Number(after) * 1000 || 1000, given)
        given.throwIfAborted()
      }
    } finally {
      options.onRequest?.({ method, host, code, seconds: (performance.now() - started) / 1000 })
    }
  }

  /** Sends, and reads an object; anything but 2xx is thrown as a StatusError. */
  async function call<T>(request: RawRequest, resource?: Resource, name?: string): Promise<T> {
    const answer = await raw(request)
    let text: string
    try {
      text = await answer.text()
    } catch (error) {
      if (request.signal?.aborted) throw request.signal.reason
      throw requestError(request.method ?? 'GET', options.server + request.path, error)
    }
    if (answer.status >= 200 && answer.status < 300) return JSON.parse(text) as T
    throw statusErrorOf(answer.status, text, request.method ?? 'GET', resource, name)
  }

  const withQuery = (path: string, query: Record<string, string | number | boolean | undefined>) => {
    const search = new URLSearchParams()
    for (const [key, value] of Object.entries(query))
      if (value !== undefined && value !== '') search.set(key, String(value))
    return search.size > 0 ? `${path}?${search}` : path
  }
  const typed = <T extends KubeObject>(resource: Resource<T>, object: T): T => ({
    apiVersion: apiVersionOf(resource),
    kind: resource.kind,
    ...object,
  })
  const placeOf = (object: KubeObject): At => ({
    name: object.metadata.name ?? '',
    ...(object.metadata.namespace ? { namespace: object.metadata.namespace } : {}),
  })
  const writeQuery = ({ fieldManager, dryRun }: WriteOptions) => ({ fieldManager, dryRun: dryRun ? 'All' : undefined })
  const signalOf = ({ signal }: { signal?: AbortSignal }) => (signal ? { signal } : {})

  async function put<T extends KubeObject>(resource: Resource<T>, object: T, subresource: string, o: WriteOptions) {
    const at = placeOf(object)
    const path = withQuery(pathOf(resource, { ...at, subresource }), writeQuery(o))
    return call<T>({ method: 'PUT', path, body: typed(resource, object), ...signalOf(o) }, resource, at.name)
  }

  const client = {
    server: options.server,

    /** Aborted when the client is being closed: nothing need be tried again over it. */
    closed,

    /** Any request, any answer: nothing is thrown for a status. */
    raw,

    get<T extends KubeObject>(
      resource: Resource<T>,
      at: At & { subresource?: string; signal?: AbortSignal },
    ): Promise<T> {
      return call<T>({ path: pathOf(resource, at), ...signalOf(at) }, resource, at.name)
    },

    list<T extends KubeObject>(resource: Resource<T>, o: ListOptions = {}): Promise<List<T>> {
      const { namespace, signal, ...query } = o
      return call<List<T>>(
        {
          path: withQuery(pathOf(resource, namespace ? { namespace } : {}), query),
          ...signalOf({ ...(signal ? { signal } : {}) }),
        },
        resource,
      )
    },

    create<T extends KubeObject>(resource: Resource<T>, object: T, o: WriteOptions = {}): Promise<T> {
      const { namespace } = object.metadata ?? {}
      const path = withQuery(pathOf(resource, namespace ? { namespace } : {}), writeQuery(o))
      return call<T>(
        { method: 'POST', path, body: typed(resource, object), ...signalOf(o) },
        resource,
        object.metadata?.name,
      )
    },

    update<T extends KubeObject>(resource: Resource<T>, object: T, o: WriteOptions = {}): Promise<T> {
      return put(resource, object, '', o)
    },

    updateStatus<T extends KubeObject>(resource: Resource<T>, object: T, o: WriteOptions = {}): Promise<T> {
      return put(resource, object, 'status', o)
    },

    patch<T extends KubeObject>(resource: Resource<T>, at: At, body: object, o: PatchOptions = {}): Promise<T> {
      const { type = 'merge', subresource, force } = o
      const path = withQuery(pathOf(resource, { ...at, ...(subresource ? { subresource } : {}) }), {
        ...writeQuery(o),
        force: force ? 'true' : undefined,
      })
      return call<T>(
        {
          method: 'PATCH',
          path,
          body: JSON.stringify(body),
          headers: { 'content-type': patchTypes[type] },
          ...signalOf(o),
        },
        resource,
        at.name,
      )
    },

    /** @returns the object being deleted, or a Success Status */
    delete<T extends KubeObject>(resource: Resource<T>, at: At, o: DeleteOptions = {}): Promise<T | Status> {
      const { signal, ...deleteOptions } = o
      const body = { kind: 'DeleteOptions', apiVersion: 'v1', ...deleteOptions }
      return call<T | Status>(
        { method: 'DELETE', path: pathOf(resource, at), body, ...(signal ? { signal } : {}) },
        resource,
        at.name,
      )
    },

    /** POST to a subresource: `binding`, `eviction`, `token`. */
    createSubresource<R extends KubeObject = KubeObject>(
      resource: Resource,
      at: At,
      subresource: string,
      body: object,
      o: WriteOptions = {},
    ): Promise<R> {
      return call<R>(
        { method: 'POST', path: pathOf(resource, { ...at, subresource }), body, ...signalOf(o) },
        resource,
        at.name,
      )
    },

    /** PUT to a subresource: `approval`, `scale`. */
    updateSubresource<T extends KubeObject>(
      resource: Resource<T>,
      at: At,
      subresource: string,
      body: T,
      o: WriteOptions = {},
    ): Promise<T> {
      const path = withQuery(pathOf(resource, { ...at, subresource }), writeQuery(o))
      return call<T>({ method: 'PUT', path, body: typed(resource, body), ...signalOf(o) }, resource, at.name)
    },

    /**
     * Events until the server ends the stream, the connection breaks or `signal` aborts: then the iteration ends.
     * @throws StatusError for a refused watch and for an ERROR event (410: relist)
     */
    async *watch<T extends KubeObject>(resource: Resource<T>, o: WatchOptions = {}): AsyncGenerator<WatchEvent<T>> {
      const { namespace, signal, allowWatchBookmarks = true, ...query } = o
      const path = withQuery(pathOf(resource, namespace ? { namespace } : {}), {
        watch: true,
        allowWatchBookmarks,
        ...query,
      })
      let answer: RawAnswer
      try {
        answer = await raw({ path, streaming: true, ...(signal ? { signal } : {}) })
      } catch (error) {
        if (signal?.aborted) return
        throw error
      }
      if (answer.status !== 200) {
        throw statusErrorOf(answer.status, await answer.text().catch(() => ''), 'GET', resource)
      }
      try {
        for await (const line of lines(answer.stream)) {
          const event = JSON.parse(line) as WatchEvent<T> | { type: 'ERROR'; object: Status }
          if (event.type === 'ERROR') throw new StatusError(event.object)
          yield event
        }
      } catch (error) {
        if (error instanceof StatusError) throw error
        // A connection that was cut ends the stream: client-go's StreamWatcher, too, takes it for an end.
      } finally {
        answer.stream.destroy()
      }
    },

    /** Resolves when GET /readyz answers 200; retries from 20 ms. */
    async ready(o: { path?: string; signal?: AbortSignal } = {}): Promise<void> {
      const backoff = new Backoff({ maxMs: 1000 })
      for (;;) {
        o.signal?.throwIfAborted()
        try {
          const answer = await raw({ path: o.path ?? '/readyz', ...signalOf(o) })
          await answer.stream.dump()
          if (answer.status === 200) return
        } catch (error) {
          if (o.signal?.aborted) throw error
        }
        await backoff.wait(o.signal)
      }
    },

    closeConnections(): void {
      options.closeConnections?.()
    },

    /** From the next request on over new connections (a new certificate), without losing one that is on its way; watches start anew. */
    renewConnections(): void {
      transport.renew()
    },

    async close(): Promise<void> {
      closing.abort()
      await transport.close()
      await options.onClose?.()
    },
  }
  return client
}

/** The Status in a body, or client-go's generic one for an answer that has none. */
function statusErrorOf(code: number, text: string, verb: string, resource?: Resource, name?: string): StatusError {
  try {
    const status = JSON.parse(text) as Status
    if (status?.kind === 'Status' && status.status !== 'Success')
      return new StatusError({ ...status, code: status.code ?? code })
  } catch {
    // not JSON: the server's own text is all there is
  }
  return genericResponse(code, verb, resource, name, text.trim())
}
