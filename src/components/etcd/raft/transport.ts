/** Between members: `POST /raft` on the peer port, a JSON value each way. etcd's path and port; the words in it are ours. */
import type { Dispatcher } from 'undici'
import { refusalOf } from '#tls/errors.ts'
import { fromText, toText } from '../disk/codec.ts'
import type { EtcdServer } from '../etcd-server.ts'
import type { Handler } from '../http.ts'
import type { Answer, Message } from './messages.ts'

const path = '/raft'

/** A member may come with a whole snapshot. */
const mostBytes = 512 * 2 ** 20

/** The peer port's half. Who is of another cluster is sent away, as etcd does (412). */
export function raftHandler(server: EtcdServer): Handler {
  const clusterId = server.cluster.id.toString(16)
  return (request, response) => {
    if (request.url !== path || request.method !== 'POST' || !server.replica) return false
    const { replica } = server
    const end = (status: number, text: string) => {
      response.writeHead(status, { 'content-type': 'application/json' })
      response.end(text)
    }
    if (request.headers['x-etcd-cluster-id'] !== clusterId) {
      request.resume()
      end(412, 'cluster ID mismatch\n')
      return true
    }
    const chunks: Buffer[] = []
    let size = 0
    request.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size > mostBytes) request.destroy()
      else chunks.push(chunk)
    })
    request.on('end', () => {
      const answer = async () => replica.handle(fromText(Buffer.concat(chunks).toString()) as Message)
      answer().then(
        said => end(200, toText(said)),
        (error: Error) => end(500, `${error.message}\n`),
      )
    })
    return true
  }
}

/** The other half. @throws Error; `neverSent`: there was no connection to send it over */
export async function postMessage(
  agent: Dispatcher,
  urls: readonly string[],
  message: Message,
  { clusterId, timeoutMs }: { clusterId: bigint; timeoutMs: number },
): Promise<Answer> {
  const body = toText(message)
  let failure: unknown
  for (const origin of urls) {
    try {
      const answer = await agent.request({
        origin,
        path,
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-etcd-cluster-id': clusterId.toString(16) },
        body,
        signal: AbortSignal.timeout(timeoutMs),
      })
      const text = await answer.body.text()
      if (answer.statusCode === 200) return fromText(text) as Answer
      throw new Error(text.trim())
    } catch (error) {
      failure = error
      if (!isRefused(error) && !wasUnreachable(error)) throw error
    }
  }
  throw Object.assign(new Error((failure as Error).message, { cause: failure }), {
    neverSent: true,
    refused: isRefused(failure),
  })
}

/** With a reason: a connection that ends without a word may be that of a member that is going, too. */
const isRefused = (error: unknown): boolean => refusalOf(error)?.reason !== undefined
const wasUnreachable = (error: unknown): boolean =>
  (error as Error).name === 'UnreachableError' || (error as NodeJS.ErrnoException).code === 'ECONNREFUSED'
