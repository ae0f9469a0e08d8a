/** An API server that keeps objects in memory: enough for a client to list, watch, write and be told no. */
import type { ServerResponse } from 'node:http'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type Resource, resources } from '#kubernetes/resources.ts'
import { alreadyExists, conflict, notFound, success, tooOldResourceVersion } from '#kubernetes/status.ts'
import type { KubeObject, Status, WatchEvent } from '#kubernetes/types.ts'

export class FakeApi {
  version = 0
  /** Requests so far, as `GET /api/v1/pods`. */
  readonly requests: string[] = []
  /** Watches that begin before this are told 410. */
  compactedBelow = 0
  readonly #objects = new Map<string, KubeObject>()
  readonly #log: { version: number; path: string; event: WatchEvent }[] = []
  readonly #watchers = new Set<{ path: string; response: ServerResponse }>()

  routes(app: FastifyInstance): void {
    const all = Object.values(resources) as Resource[]
    app.all('*', (request, reply) => {
      this.requests.push(`${request.method} ${request.url}`)
      const { info } = request
      const resource = all.find(each => each.resource === info.resource && each.group === info.apiGroup)
      if (!resource) return reply.code(404).send(Buffer.from('404 page not found'))
      return this.#answer(request, reply, resource)
    })
  }

  #answer(request: FastifyRequest, reply: FastifyReply, resource: Resource) {
    const { info } = request
    const collection = `${resource.group}/${resource.resource}`
    const key = `${collection}/${info.namespace}/${info.name}`
    const body =
      request.body instanceof Buffer && request.body.length > 0
        ? (JSON.parse(request.body.toString()) as KubeObject)
        : undefined
    const send = (object: object, code = 200) =>
      reply
        .code(code)
        .header('content-type', 'application/json')
        .send(Buffer.from(JSON.stringify(object)))
    switch (info.verb) {
      case 'get': {
        const found = this.#objects.get(key)
        if (!found) throw notFound(resource, info.name)
        return send(found)
      }
      case 'list':
        return send({
          kind: `${resource.kind}List`,
          apiVersion: 'v1',
          metadata: { resourceVersion: String(this.version) },
          items: [...this.#objects]
            .filter(([name]) => name.startsWith(`${collection}/${info.namespace}`))
            .map(([, object]) => object),
        })
      case 'watch':
        return this.#watch(request, reply, collection)
      case 'create': {
        const name = body!.metadata.name!
        const at = `${collection}/${info.namespace}/${name}`
        if (this.#objects.has(at)) throw alreadyExists(resource, name)
        return send(
          this.put(resource, {
            ...body!,
            metadata: { ...body!.metadata, ...(info.namespace ? { namespace: info.namespace } : {}) },
          }),
          201,
        )
      }
      case 'update': {
        const found = this.#objects.get(key)
        if (!found) throw notFound(resource, info.name)
        const asked = body!.metadata.resourceVersion
        if (asked && asked !== found.metadata.resourceVersion) throw conflict(resource, info.name)
        return send(this.put(resource, body!))
      }
      case 'patch':
        return send(
          this.put(resource, { ...this.#objects.get(key)!, ...body!, metadata: this.#objects.get(key)!.metadata }),
        )
      case 'delete': {
        if (!this.#objects.has(key)) throw notFound(resource, info.name)
        this.remove(resource, info.namespace, info.name)
        return send(success({ name: info.name, kind: resource.resource }))
      }
    }
    throw new Error(`no ${info.verb}`)
  }

  put<T extends KubeObject>(resource: Resource<T>, object: T): T {
    const collection = `${resource.group}/${resource.resource}`
    const { namespace = '', name } = object.metadata
    const key = `${collection}/${namespace}/${name}`
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(++this.version) } }
    const type = this.#objects.has(key) ? 'MODIFIED' : 'ADDED'
    this.#objects.set(key, stored)
    this.#tell(collection, { type, object: stored })
    return stored
  }

  remove(resource: Resource, namespace: string, name: string): void {
    const collection = `${resource.group}/${resource.resource}`
    const key = `${collection}/${namespace}/${name}`
    const object = this.#objects.get(key)!
    this.#objects.delete(key)
    this.#tell(collection, {
      type: 'DELETED',
      object: { ...object, metadata: { ...object.metadata, resourceVersion: String(++this.version) } },
    })
  }

  bookmark(resource: Resource): void {
    const collection = `${resource.group}/${resource.resource}`
    this.#tell(collection, { type: 'BOOKMARK', object: { metadata: { resourceVersion: String(++this.version) } } })
  }

  /** End every watch, as a server does when its time is up. */
  endWatches(): void {
    for (const { response } of this.#watchers) response.end()
    this.#watchers.clear()
  }

  /** An ERROR event to every watch. */
  breakWatches(status: Status): void {
    for (const { response } of this.#watchers) response.end(`${JSON.stringify({ type: 'ERROR', object: status })}\n`)
    this.#watchers.clear()
  }

  get watchers(): number {
    return this.#watchers.size
  }

  #tell(path: string, event: WatchEvent): void {
    this.#log.push({ version: this.version, path, event })
    for (const watcher of this.#watchers) {
      if (watcher.path === path) watcher.response.write(`${JSON.stringify(event)}\n`)
    }
  }

  #watch(request: FastifyRequest, reply: FastifyReply, path: string) {
    const from = Number(new URLSearchParams(request.url.split('?')[1]).get('resourceVersion') ?? 0)
    if (from < this.compactedBelow) throw tooOldResourceVersion(from, this.compactedBelow)
    reply.hijack()
    const response = reply.raw
    response.writeHead(200, { 'content-type': 'application/json' })
    response.flushHeaders()
    for (const entry of this.#log) {
      if (entry.path === path && entry.version > from) response.write(`${JSON.stringify(entry.event)}\n`)
    }
    const watcher = { path, response }
    this.#watchers.add(watcher)
    response.on('close', () => this.#watchers.delete(watcher))
  }
}
