/** Requests to the stand-in of a small cluster, as kubernetes-super-admin or as whom a kubeconfig says. */
import type { Test } from 'tap'
import type { Client } from '#kubernetes/client.ts'
import type { Unstructured } from '#kubernetes/types.ts'
import { type Cluster, startCluster } from '../cluster.ts'

export interface Reply {
  status: number
  headers: Record<string, string | string[] | undefined>
  text: string
  /** Parsed, when it is JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into bodies of every shape
  body: any
}

export interface TestApi {
  cluster: Cluster
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Reply>
  as(client: Client): TestApi['call']
  /** Lines of a watch; `next()` waits for one. */
  watch(
    path: string,
  ): Promise<{ next(): Promise<{ type: string; object: Unstructured }>; stop(): void; headers: Reply['headers'] }>
}

export async function startApi(t: Test): Promise<TestApi> {
  const cluster = await startCluster(t)
  const as =
    (client: Client): TestApi['call'] =>
    async (method, path, body, headers) => {
      const answer = await client.raw({
        method,
        path,
        ...(body === undefined ? {} : { body: body as string | object }),
        ...(headers ? { headers } : {}),
      })
      const text = await answer.text()
      return { status: answer.status, headers: answer.headers, text, body: parsed(text) }
    }
  return {
    cluster,
    call: as(cluster.admin),
    as,
    async watch(path) {
      const stop = new AbortController()
      t.teardown(() => stop.abort())
      const answer = await cluster.admin.raw({ path, signal: stop.signal, streaming: true })
      const lines = linesOf(answer.stream as unknown as AsyncIterable<Buffer>)
      return {
        headers: answer.headers,
        stop: () => stop.abort(),
        async next() {
          const { value, done } = await lines.next()
          if (done) throw new Error(`the watch ${path} has ended`)
          return JSON.parse(value)
        },
      }
    },
  }
}

async function* linesOf(stream: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let rest = ''
  for await (const chunk of stream) {
    const lines = (rest + chunk.toString('utf8')).split('\n')
    rest = lines.pop()!
    yield* lines
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

export const configMap = (name: string, data: Record<string, string> = {}, metadata: object = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, ...metadata },
  data,
})

export const pod = (name: string, more: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name },
  spec: { containers: [{ name: 'web', image: 'nginx' }], ...more },
})

export const serviceAccount = (name = 'default') => ({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name } })
export const configMaps = '/api/v1/namespaces/default/configmaps'
export const pods = '/api/v1/namespaces/default/pods'
