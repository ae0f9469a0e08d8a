/** Starts the stand-in inside the test's process, over plain HTTP or with a throw-away PKI, and speaks JSON to it. */
import { join } from 'node:path'
import type { Test } from 'tap'
import { Agent, request } from 'undici'
import { systemClock } from '#clock.ts'
import type { ComponentContext, RunningComponent } from '#components/component.ts'
import { component } from '#components/etcd/index.ts'
import { silentLog } from '#log.ts'
import { createPki } from '#pki/create.ts'
import { loadPlan } from '#pki/plan.ts'
import { memoryRecords } from '#tls/records.ts'

export interface LogLine {
  level: 'info' | 'warn' | 'error'
  message: string
  fields: Record<string, unknown>
}

export interface TestContext extends ComponentContext {
  lines: LogLine[]
  records: ReturnType<typeof memoryRecords>
}

export function testContext(voice: ComponentContext['voice'] = 'go1.24'): TestContext {
  const lines: LogLine[] = []
  return {
    clock: systemClock,
    voice,
    lines,
    log: {
      ...silentLog,
      info: (message, fields = {}) => void lines.push({ level: 'info', message, fields }),
      warn: (message, fields = {}) => void lines.push({ level: 'warn', message, fields }),
      error: (message, error, fields = {}) =>
        void lines.push({ level: 'error', message, fields: { ...fields, error } }),
    },
    records: memoryRecords(),
  }
}

export interface Reply {
  status: number
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into JSON of every shape
  json: any
  text: string
}

export interface TestEtcd extends RunningComponent {
  url: string
  post(path: string, body: object | string): Promise<Reply>
  get(path: string): Promise<Reply>
}

/** Over plain HTTP, on free ports. */
export async function startPlain(
  t: Test,
  options: { flags?: string[]; context?: TestContext; keep?: boolean } = {},
): Promise<TestEtcd> {
  const { flags = [], context = testContext(), keep = false } = options
  const running = await component.start(
    [
      '--listen-client-urls=http://127.0.0.1:0',
      '--advertise-client-urls=http://127.0.0.1:2379',
      '--listen-peer-urls=http://127.0.0.1:0',
      ...flags,
    ],
    context,
  )
  const agent = new Agent({ pipelining: 1 })
  const client = speak(`http://127.0.0.1:${running.addresses.client!.port}`, agent)
  const stop = async () => {
    await agent.destroy()
    await running.stop()
  }
  if (!keep) t.teardown(stop)
  return { ...running, ...client, stop }
}

export function speak(url: string, dispatcher: Agent): Pick<TestEtcd, 'url' | 'post' | 'get'> {
  const read = async (reply: Awaited<ReturnType<typeof request>>): Promise<Reply> => {
    const text = await reply.body.text()
    let json: unknown
    try {
      json = JSON.parse(text)
    } catch {
      // not every answer is JSON
    }
    return { status: reply.statusCode, json, text }
  }
  return {
    url,
    post: async (path, body) =>
      read(
        await request(url + path, {
          dispatcher,
          method: 'POST',
          body: typeof body === 'string' ? body : JSON.stringify(body),
        }),
      ),
    get: async path => read(await request(url + path, { dispatcher })),
  }
}

/** kubeadm's PKI in a fresh folder. */
export async function throwawayPki(t: Test): Promise<{ dir: string; file(name: string): string }> {
  const dir = t.testdir()
  await createPki({ plan: await loadPlan('kubeadm'), dir })
  return { dir, file: name => join(dir, 'pki', name) }
}

export const b64 = (text: string): string => Buffer.from(text).toString('base64')
export const text = (base64: string | undefined): string => Buffer.from(base64 ?? '', 'base64').toString()
