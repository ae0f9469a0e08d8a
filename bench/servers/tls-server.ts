/** A TLS server in a process of its own, for bench/tls.ts: `tls-server.ts ours|plain DIR` sends its port to the parent. */
import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createServer } from 'node:tls'
import { systemClock } from '#clock.ts'
import { silentLog } from '#log.ts'
import { fileBundle } from '#tls/bundle.ts'
import { fileIdentity } from '#tls/identity.ts'
import { createTlsListener } from '#tls/listen.ts'
import { fileRecords } from '#tls/records.ts'

const [kind = '', dir = ''] = process.argv.slice(2)
const file = (name: string) => join(dir, name)

async function ours(): Promise<number> {
  const listener = createTlsListener({
    component: 'etcd',
    host: '127.0.0.1',
    port: 0,
    clock: systemClock,
    voice: 'go1.24',
    log: silentLog,
    records: fileRecords(file('ours.jsonl')),
    identity: fileIdentity({
      certFile: file('server.crt'),
      keyFile: file('server.key'),
      reload: 'handshake',
      log: silentLog,
    }),
    clientAuth: 'require',
    clientCa: fileBundle({ file: file('ca.crt'), reader: 'etcd', reload: 'start', log: silentLog }),
  })
  listener.on('connection', socket => socket.resume().on('error', () => {}))
  await listener.listen()
  return listener.address.port
}

/** Node's own verification, and tickets off, as ours are. */
async function plain(): Promise<number> {
  const server = createServer({
    cert: readFileSync(file('server.crt')),
    key: readFileSync(file('server.key')),
    ca: readFileSync(file('ca.crt')),
    requestCert: true,
    rejectUnauthorized: true,
    secureOptions: 0x4000,
  })
  server.on('secureConnection', socket => socket.resume().on('error', () => {}))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

process.send?.({ port: await (kind === 'ours' ? ours() : plain()) })
process.on('disconnect', () => process.exit())
