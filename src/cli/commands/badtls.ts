/** `trustplane badtls`: a badssl.com on this machine, and the same for client certificates against a server of one's own. */
import { type Command, Option } from 'commander'
import { createCommand, onRun, wholeNumber } from '../command.ts'
import type { Io } from '../io.ts'
import { print } from '../output.ts'

export interface BadtlsOptions {
  list?: boolean
  port: number
  host: string
  clientAuth: 'none' | 'request' | 'require'
  only?: string[]
  write?: string
  against?: string
  ca?: string
  servername?: string
  path: string
  voice: 'go1.24' | 'go1.19'
}

export function build(io?: Io): Command {
  const command = createCommand({
    name: 'badtls',
    summary: 'a server for each TLS defect, or each faulty client certificate against your server',
    description: `Every certificate is made now, by a CA of its own that is written to --write: ca.crt is what the other end has to trust.
Without --against it serves until it is stopped: each defect on a port, and on the first port by name (SNI).
With --against it dials a server with each faulty client certificate and says whether it was accepted, as Go would or not.
Exit status of --against: 0 nothing was accepted that Go refuses, 1 something was, 2 could not judge (nobody there, the server's own
certificate refused, or a good client certificate refused: it does not trust ca.crt yet).`,
    formats: ['table', 'wide', 'json', 'yaml'],
    examples: [
      { does: 'What there is', line: 'trustplane badtls --list' },
      {
        does: 'Serve all of it; try your client',
        line: 'trustplane badtls\n  curl --cacert .trustplane/badtls/ca.crt https://expired.badtls.localhost:9443/',
      },
      {
        does: 'Two of them, on free ports, for a script',
        line: 'trustplane badtls --only expired,tls-1.0 --port 0 -o json',
      },
      {
        does: 'Does my server refuse what it should? Let it trust DIR/ca.crt first',
        line: 'trustplane badtls --against localhost:8443 --ca server-ca.crt --write DIR',
      },
    ],
  })
    .addOption(new Option('--list', 'only list the defects: for which end, the reason, what Go says'))
    .addOption(
      new Option('--port <port>', 'the port of all names; each defect has one of those that follow. 0: any free ones')
        .argParser(wholeNumber(0, 65_535))
        .default(9443),
    )
    .addOption(new Option('--host <address>', 'where to listen').default('127.0.0.1'))
    .addOption(
      new Option(
        '--client-auth <how>',
        'ask clients for certificates: request (401 for a bad one) or require (an alert)',
      )
        .choices(['none', 'request', 'require'])
        .default('none'),
    )
    .addOption(new Option('--only <names>', 'some defects, by name, with commas').argParser(text => text.split(',')))
    .addOption(
      new Option(
        '--write <directory>',
        'where the CA, client certificates and the revocation list go; a CA that is there is used again. Default: badtls/ in --dir',
      ),
    )
    .addOption(new Option('--against <host:port>', 'dial this server with each faulty client certificate'))
    .addOption(new Option('--ca <file>', "with --against: the CA of the server's own certificate, PEM"))
    .addOption(new Option('--servername <name>', "with --against: the name to look for in the server's certificate"))
    .addOption(new Option('--path <path>', 'with --against: what to ask for').default('/'))
    .addOption(new Option('--voice <voice>', 'whose words and rules').choices(['go1.24', 'go1.19']).default('go1.24'))
  return onRun<BadtlsOptions>(command, io, async (_args, context) => {
    const { options } = context
    if (options.list) {
      const { defectRows } = await import('#endpoints/gallery.ts')
      await print(
        context.io,
        {
          kind: 'DefectList',
          document: { items: defectRows },
          rows: defectRows,
          columns: [
            { header: 'NAME', value: row => row.name },
            { header: 'SIDE', value: row => row.side },
            { header: 'REASON', value: row => row.reason ?? '-' },
            { header: 'WHAT', value: row => row.description },
            { header: 'GO SAYS', value: row => row.text ?? 'accepted', wide: true },
          ],
        },
        { format: options.output, headers: options.headers },
      )
      return 0
    }
    if (options.against !== undefined) return (await import('./badtls/against.ts')).runAgainst(options.against, context)
    return (await import('./badtls/serve.ts')).runServers(context)
  })
}
