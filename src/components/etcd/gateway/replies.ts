/** How the gateway answers over HTTP: etcd's headers, grpc-gateway's error bodies and statuses. */
import type { ServerResponse } from 'node:http'
import type { Voice } from '#x509/types.ts'
import type { EtcdError } from '../errors.ts'

/** etcd allows every origin unless --cors says otherwise. */
export const corsHeaders = [
  'Access-Control-Allow-Headers',
  'accept, content-type, authorization',
  'Access-Control-Allow-Methods',
  'POST, GET, OPTIONS, PUT, DELETE',
  'Access-Control-Allow-Origin',
  '*',
]

const jsonHeaders = [...corsHeaders, 'Content-Type', 'application/json']
const resultHeaders = [...jsonHeaders, 'Grpc-Metadata-Content-Type', 'application/grpc']

/** HTTP statuses by gRPC code. grpc-gateway 1.16 (etcd 3.5) changed one of them. */
const statuses: Readonly<Record<number, number>> = {
  1: 408,
  3: 400,
  4: 504,
  5: 404,
  6: 409,
  7: 403,
  8: 429,
  9: 412,
  10: 409,
  11: 400,
  12: 501,
  14: 503,
  16: 401,
}
const newerStatuses: Readonly<Record<number, number>> = { ...statuses, 9: 400 }

function httpStatus(code: number, voice: Voice): number {
  return (voice === 'go1.19' ? statuses : newerStatuses)[code] ?? 500
}

export function errorBody({ message, code }: EtcdError, voice: Voice): string {
  return JSON.stringify(voice === 'go1.19' ? { error: message, message, code } : { error: message, code, message })
}

export interface Replies {
  voice: Voice
  /** A response message: text, or its bytes. */
  result(response: ServerResponse, json: string | Buffer): void
  /** Any other JSON. */
  json(response: ServerResponse, status: number, json: string): void
  error(response: ServerResponse, error: EtcdError): void
  /** net/http's plain text errors. */
  text(response: ServerResponse, status: number, text: string): void
  startStream(response: ServerResponse): void
}

export function createReplies(voice: Voice): Replies {
  const json = (response: ServerResponse, status: number, text: string | Buffer, headers = jsonHeaders) => {
    response.writeHead(status, [...headers, 'Content-Length', String(text.length)])
    response.end(text, 'latin1')
  }
  return {
    voice,
    result: (response, text) => json(response, 200, text, resultHeaders),
    // error texts may hold what the client wrote, so their length is in UTF-8
    json: (response, status, text) => json(response, status, Buffer.from(text).toString('latin1')),
    error(response, error) {
      this.json(response, httpStatus(error.code, voice), errorBody(error, voice))
    },
    text(response, status, text) {
      const headers = ['Content-Type', 'text/plain; charset=utf-8', 'X-Content-Type-Options', 'nosniff']
      response.writeHead(status, [...corsHeaders, ...headers, 'Content-Length', String(Buffer.byteLength(text))])
      response.end(text)
    },
    startStream(response) {
      response.writeHead(200, resultHeaders)
      response.flushHeaders()
    },
  }
}
