/** GET …/pods/<name>/log: the kubelet's answer, as it comes. */
import { Readable } from 'node:stream'
import { genericResponse } from '#kubernetes/status.ts'
import { text } from '../columns/values.ts'
import type { Handler } from '../verbs/types.ts'
import { containerOf, podOf } from './pods.ts'

const passed = ['follow', 'previous', 'timestamps', 'sinceSeconds', 'sinceTime', 'tailLines', 'limitBytes', 'stream']

const headers = { 'content-type': 'text/plain' }

export const logs: Handler = async (api, { info, query, signal }) => {
  const pod = await podOf(api.store, info.namespace, info.name)
  const container = containerOf(pod, query.get('container') ?? '')
  const node = text(pod, 'spec', 'nodeName')
  // Not scheduled yet: nothing to show, and no error.
  if (node === '') return { code: 200, stream: Readable.from([]), headers }
  const asked = new URLSearchParams()
  for (const parameter of passed) {
    const value = query.get(parameter)
    if (value !== null) asked.set(parameter, value)
  }
  const path = `/containerLogs/${info.namespace}/${info.name}/${container}${asked.size > 0 ? `?${asked}` : ''}`
  const { statusCode, body } = await api.kubelets.request(await api.kubelets.addressOf(node), {
    method: 'GET',
    path,
    signal,
  })
  if (statusCode < 200 || statusCode > 206)
    throw genericResponse(statusCode, '', { group: '', resource: 'pods/log' }, info.name, (await body.text()).trim())
  // The client hangs up first when it follows: that is no error of ours.
  body.on('error', () => {})
  return { code: 200, stream: body, headers }
}
