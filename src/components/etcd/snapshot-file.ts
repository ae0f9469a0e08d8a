import type { EtcdServer } from './etcd-server.ts'

export function snapshotFile(_server: EtcdServer): Buffer {
  return Buffer.alloc(4096)
}
