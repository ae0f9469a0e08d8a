/** What is under test: is the cluster of this kubeconfig ready? */
import { readFile } from 'node:fs/promises'
import { get } from 'node:https'
import { text } from 'node:stream/consumers'

export async function health(kubeconfig) {
  const config = await readFile(kubeconfig, 'utf8')
  const field = name => config.match(new RegExp(`${name}: (\\S+)`))[1]
  const data = name => Buffer.from(field(`${name}-data`), 'base64')
  const options = {
    ca: data('certificate-authority'),
    cert: data('client-certificate'),
    key: data('client-key'),
    agent: false,
  }
  return new Promise((resolve, reject) => {
    get(`${field('server')}/readyz`, options, async response => {
      resolve({ ready: response.statusCode === 200, words: await text(response) })
    }).on('error', reject)
  })
}
