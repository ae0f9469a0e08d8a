/** `trustplane badtls` as servers, until a signal comes. */
import { join } from 'node:path'
import { startGallery } from '#endpoints/gallery.ts'
import { writeTogether } from '#pki/atomic-write.ts'
import type { HandshakeRecord } from '#tls/types.ts'
import type { ActionContext } from '../../command.ts'
import { print } from '../../output.ts'
import { onInterrupt } from '../../signals.ts'
import type { BadtlsOptions } from '../badtls.ts'
import { folderOf, prepareFiles } from './files.ts'

export async function runServers({ io, options, style, say }: ActionContext<BadtlsOptions>): Promise<number> {
  const interrupt = onInterrupt()
  const dir = folderOf(options)
  const { authority, crl } = await prepareFiles(dir)
  const gallery = await startGallery({
    authority,
    host: options.host,
    port: options.port,
    clientAuth: options.clientAuth,
    ...(options.clientAuth === 'require' ? { crl } : {}),
    voice: options.voice,
    ...(options.only ? { only: options.only } : {}),
    records: { write: record => say(lineOf(record)), close: async () => {} },
  })
  try {
    // the roots that have a defect of their own are for clients, behind the first
    const bundle = join(dir, 'ca.crt')
    await writeTogether(dir, new Map([['ca.crt', { content: gallery.ca, mode: 0o644 }]]))
    await print(
      io,
      {
        kind: 'EndpointList',
        document: { ca: bundle, items: gallery.entries },
        rows: gallery.entries,
        columns: [
          { header: 'NAME', value: row => row.name },
          { header: 'URL', value: row => row.url },
          { header: 'BY NAME', value: row => row.byName ?? '-' },
          { header: 'REASON', value: row => row.reason ?? '-' },
          { header: 'WHAT', value: row => row.description },
        ],
      },
      { format: options.output, headers: options.headers },
    )
    say(`${style.symbol('ok')} ${gallery.entries.length} endpoints serve; Ctrl-C ends them`)
    const example = gallery.entries.find(({ byName }) => byName) ?? gallery.entries[0]
    say(`\n  curl --cacert ${bundle} ${example?.byName ?? example?.url}/\n`)
    return await interrupt.status
  } finally {
    interrupt.release()
    await gallery.stop()
  }
}

const lineOf = ({ to, name, outcome, message, address }: HandshakeRecord) =>
  `${to}${name ? ` (${name})` : ''} ← ${address}: ${outcome === 'ok' ? 'ok' : `${outcome}: ${message ?? 'EOF'}`}`
