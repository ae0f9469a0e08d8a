/** gRPC requests, for whose sake Connect and the protobuf code are loaded when the first one comes: a mesh without etcdctl needs neither. */
import type { EtcdServer } from './etcd-server.ts'
import type { createGrpc } from './grpc/grpc.ts'
import type { Handler } from './http.ts'
import type { Metrics } from './metrics.ts'

export function grpcWhenAsked(server: EtcdServer, metrics: Metrics): Handler {
  let serve: ReturnType<typeof createGrpc> | undefined
  let loading: Promise<void> | undefined
  const load = async () => {
    const grpc = await import('./grpc/grpc.ts')
    serve = grpc.createGrpc(server, metrics)
  }
  return (request, response) => {
    if (!request.headers['content-type']?.startsWith('application/grpc')) return false
    if (serve) serve(request, response)
    else {
      loading ??= load()
      void loading.then(() => serve!(request, response))
    }
    return true
  }
}
