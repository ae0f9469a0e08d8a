/** What is under test: asks a server for JSON, and trusts one CA. */
import { request } from 'node:https'
import { json } from 'node:stream/consumers'

export function getJson(url: string, ca: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { ca, agent: false, timeout: 5000 }, response => {
      if (response.statusCode === 200) json(response).then(resolve, reject)
      else reject(new Error(`HTTP ${response.statusCode}`))
    })
    asked.on('timeout', () => asked.destroy(new Error('no answer')))
    asked.on('error', reject)
    asked.end()
  })
}
