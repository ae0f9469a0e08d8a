/**
 * The limit of having OpenSSL carry the bytes: two measured certificates that it cannot read, and what an end of ours says of them.
 * Go refuses the one with alert 42 and takes the other; ours refuses both with OpenSSL's 50, which is out before Node tells of it (README, Limits).
 */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import t from 'tap'
import { refusalOf } from '#tls/errors.ts'
import { flight } from '../interop/plain-flight.ts'
import { oracleCases } from '../x509/oracle.ts'
import { dialerTo, startListener, throwawayPki } from './mesh.ts'

const pki = throwawayPki()
const derOf = (id: string) => {
  const { chain } = oracleCases().find(one => one.id === `client-cert/${id}`)!
  return Buffer.from(/-----BEGIN CERTIFICATE-----([^-]+)/.exec(chain)![1]!, 'base64')
}
const rows: [id: string, words: string][] = [
  ['serial-nonminimal', 'x509: malformed serial number'],
  ['time-utctime-noseconds', 'utctime is too short (OpenSSL; Go reads it)'],
]

const hex = (text: string) => Buffer.from(text.replace(/ /g, ''), 'hex')
/** TLS 1.2, ECDHE-ECDSA with P-256, and nothing that is not needed. */
const clientHello = hex(
  `16 0301 003f 01 00003b 0303 ${'61'.repeat(32)} 00 0002 c02b 01 00 0010 000a 0004 0002 0017 000d 0004 0002 0403`,
)

function certificateMessage(der: Buffer): Buffer {
  const sized = (length: number) => hex(length.toString(16).padStart(6, '0'))
  const body = Buffer.concat([sized(der.length + 3), sized(der.length), der])
  const message = Buffer.concat([Buffer.of(11), sized(body.length), body])
  return Buffer.concat([hex('16 0303'), hex(message.length.toString(16).padStart(4, '0')), message])
}

t.test('presented by a client', async t => {
  for (const [id, words] of rows) {
    const { listener, records } = await startListener(t, pki)
    const socket = connect(listener.address.port, '127.0.0.1', () => socket.write(clientHello))
    let answered = Buffer.alloc(0)
    let isSent = false
    socket.on('data', chunk => {
      answered = Buffer.concat([answered, chunk])
      // ServerHelloDone
      if (isSent || !answered.includes(hex('0e000000'))) return
      isSent = true
      socket.write(certificateMessage(derOf(id)))
    })
    const [refusal] = await once(listener, 'refused')
    t.equal(refusal.message, `tls: failed to parse client certificate: ${words}`, id)
    t.match(
      records.records[0],
      { refusedBy: 'server', reason: 'malformed', alert: { code: 50, direction: 'sent' } },
      id,
    )
    await once(socket, 'close')
    t.strictSame(answered.subarray(-7), hex('15 0303 0002 0232'), `${id}: OpenSSL's alert is what went out`)
  }
})

t.test('presented by a server', async t => {
  for (const [id, words] of rows) {
    const server = createServer(socket => {
      socket.on('error', () => {})
      socket.once('data', () => socket.write(flight([derOf(id)])))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.teardown(() => server.close())
    const { dialer } = dialerTo(t, pki)
    const { port } = server.address() as AddressInfo
    const refusal = refusalOf(await dialer.connect({ host: '127.0.0.1', port }).catch((error: unknown) => error))
    t.match(refusal, {
      refusedBy: 'client',
      reason: 'malformed',
      message: `tls: failed to parse certificate from server: ${words}`,
      alert: { code: 50, direction: 'sent' },
    })
  }
})
