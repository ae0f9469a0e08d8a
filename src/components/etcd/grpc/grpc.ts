/** gRPC on the client port: requests whose content type is `application/grpc`, over HTTP/2. */
import { ConnectError, type Interceptor } from '@connectrpc/connect'
import { connectNodeAdapter } from '@connectrpc/connect-node'
import { grpcCodes } from '../errors.ts'
import type { EtcdServer } from '../etcd-server.ts'
import type { Handler } from '../http.ts'
import type { Metrics } from '../metrics.ts'
import { registerServices } from './services.ts'

/** As etcd's: a message may be larger than a request by so much. */
const overheadBytes = 512 * 1024

export function createGrpc(server: EtcdServer, metrics: Metrics): (...exchange: Parameters<Handler>) => void {
  const serve = connectNodeAdapter({
    routes: router => registerServices(router, server),
    grpc: true,
    grpcWeb: false,
    connect: false,
    interceptors: [countCalls(metrics)],
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
  return (request, response) => serve(request, response)
}

/** The count of calls, by method and by how they ended. */
function countCalls(metrics: Metrics): Interceptor {
  return next => async request => {
    const name = `${request.service.typeName}/${request.method.name}`
    try {
      const response = await next(request)
      metrics.handled(name, 0)
      return response
    } catch (error) {
      metrics.handled(name, error instanceof ConnectError ? error.code : grpcCodes.unknown)
      throw error
    }
  }
}
