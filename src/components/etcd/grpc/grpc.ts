/** gRPC on the client port: requests whose content type is `application/grpc`, over HTTP/2. */
import { connectNodeAdapter } from '@connectrpc/connect-node'
import type { EtcdServer } from '../etcd-server.ts'
import type { Handler } from '../http.ts'
import { registerServices } from './services.ts'

/** As etcd's: a message may be larger than a request by so much. */
const overheadBytes = 512 * 1024

export function createGrpc(server: EtcdServer): Handler {
  const serve = connectNodeAdapter({
    routes: router => registerServices(router, server),
    grpc: true,
    grpcWeb: false,
    connect: false,
    readMaxBytes: server.options.maxRequestBytes + overheadBytes,
    fallback(request, response) {
      // grpc-go's answer to a service or method that is not there: a response of trailers only
      const [, service = '', method = ''] = (request.url ?? '').split('/')
      response.writeHead(200, {
        'content-type': 'application/grpc',
        'grpc-status': '12',
        'grpc-message': `unknown method ${method} for service ${service}`,
      })
      response.end()
    },
  })
  return (request, response) => {
    if (!request.headers['content-type']?.startsWith('application/grpc')) return false
    serve(request, response)
    return true
  }
}
