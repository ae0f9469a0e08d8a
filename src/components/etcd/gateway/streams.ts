/** The gateway's paths that stream: requests as JSON values one after the other, responses as `{"result":…}` lines. */
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { EtcdError, grpcCodes } from '../errors.ts'
import type { EtcdServer } from '../etcd-server.ts'
import type { WatchCreateRequest, WatchRequest } from '../types.ts'
import { decodeText, type Schema } from './decode.ts'
import { encodeWatch, headerOf } from './encode.ts'
import { firstJsonValue } from './go-json.ts'
import { errorBody, type Replies } from './replies.ts'
import * as schemas from './schemas.ts'
import { withKey } from './unary.ts'

export type Stream = (request: IncomingMessage, response: ServerResponse) => void

export function streamPaths(server: EtcdServer, replies: Replies): Record<string, Stream> {
  const header = headerOf(server.cluster)

  return {
    '/watch': (request, response) => {
      const out = resultLines(response, replies)
      const stream = server.watch(message => out(encodeWatch(message, header)))
      response.on('drain', () => stream.resume())
      // etcd ends a watch whose member has lost its leader (clients ask it to): nothing would come any more
      const forget = server.onLost(() => response.destroy())
      response.on('close', () => {
        forget()
        stream.close()
      })
      eachValue<WatchRequest>(request, schemas.watchRequest, {
        value: message => {
          if (message.createRequest) withKey<WatchCreateRequest>(message.createRequest)
          stream.request(message)
        },
        // the watch goes on when its body has ended, until the client leaves
        end: () => {},
        error: error => {
          stream.close()
          endWith(response, replies, error)
        },
      })
    },

    '/maintenance/snapshot': (request, response) => {
      request.resume()
      const out = resultLines(response, replies)
      const send = async () => {
        // with it comes the protobuf code, which nothing else of the gateway needs
        const { snapshotChunks } = await import('../snapshot/chunks.ts')
        for (const { remaining, blob } of snapshotChunks(server)) {
          const bytes = `"blob":"${blob.toString('base64')}"`
          const hasRoom = out(remaining > 0 ? `{"remaining_bytes":"${remaining}",${bytes}}` : `{${bytes}}`)
          if (!hasRoom) await once(response, 'drain')
        }
        response.end()
      }
      // the client went away
      send().catch(() => response.destroy())
    },

    '/lease/keepalive': (request, response) => {
      const out = resultLines(response, replies)
      eachValue<{ id?: bigint }>(request, schemas.leaseRequest, {
        value: ({ id = 0n }) => {
          const tell = (ttl: number) =>
            out(`{"header":${header(server.store.revision)},"ID":"${id}"${ttl > 0 ? `,"TTL":"${ttl}"` : ''}}`)
          const answer = server.keepAlive(id)
          if (answer instanceof Promise) answer.then(tell, error => endWith(response, replies, error))
          else tell(answer)
        },
        end: () => response.end(),
        error: error => endWith(response, replies, error),
      })
    },
  }
}

/** Writes one response a line; false when the socket is full. */
function resultLines(response: ServerResponse, replies: Replies): (json: string) => boolean {
  return json => {
    if (!response.headersSent) replies.startStream(response)
    return response.write(`{"result":${json}}\n`, 'latin1')
  }
}

function endWith(response: ServerResponse, replies: Replies, error: EtcdError): void {
  // grpc-gateway gives what stopped a stream's requests as "unknown"
  if (!response.headersSent) replies.json(response, 500, errorBody(error, replies.voice))
  else response.end()
}

/** No request of a stream is as large. */
const maxPending = 4 * 2 ** 20

interface Handlers<T> {
  value(message: T): void
  end(): void
  error(error: EtcdError): void
}

/** Calls `value` for every JSON value of the body, as it arrives. */
function eachValue<T>(request: IncomingMessage, schema: Schema, handlers: Handlers<T>): void {
  let pending = ''
  let over = false
  const fail = (message: string) => {
    over = true
    handlers.error(new EtcdError(grpcCodes.unknown, message))
  }
  const drain = (ended: boolean) => {
    while (!over && pending.trim() !== '') {
      const first = firstJsonValue(pending)
      if ('error' in first) {
        if (first.error !== 'unexpected EOF' || ended) fail(first.error)
        return
      }
      pending = first.rest
      try {
        handlers.value(decodeText<T>(schema, first.text))
      } catch (error) {
        fail((error as Error).message)
      }
    }
  }
  request.setEncoding('utf8')
  request.on('data', (chunk: string) => {
    if (over) return
    pending += chunk
    drain(false)
    if (pending.length > maxPending) fail('etcdserver: request is too large')
  })
  request.on('end', () => {
    drain(true)
    if (!over) handlers.end()
  })
}
