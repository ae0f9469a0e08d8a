/** A POST and its answer's text, by undici's dispatch: no streams, no promises on the way. */
import type { Dispatcher } from 'undici'

export interface Posted {
  statusCode: number
  text: string
}

const headers = ['content-type', 'application/json']

export function post(dispatcher: Dispatcher, origin: string, path: string, body: string): Promise<Posted> {
  return new Promise((resolve, reject) => {
    let statusCode = 0
    let only: Buffer | undefined
    let chunks: Buffer[] | undefined
    dispatcher.dispatch(
      { origin, path, method: 'POST', headers, body },
      {
        onRequestStart() {},
        onResponseStart(_controller, code) {
          statusCode = code
        },
        onResponseData(_controller, chunk) {
          if (chunks) chunks.push(chunk)
          else if (only) chunks = [only, chunk]
          else only = chunk
        },
        onResponseEnd() {
          resolve({
            statusCode,
            text: chunks ? Buffer.concat(chunks).toString('utf8') : (only?.toString('utf8') ?? ''),
          })
        },
        onResponseError(_controller, error) {
          reject(error)
        },
      },
    )
  })
}
