/** What `badtls` leaves on disk: the CA that both ends share, so that a server once told to trust it need not be told again. */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type ClientDefectName, certificateDefects } from '#endpoints/defects.ts'
import { type CertificateFixture, certificateFixture, createAuthority } from '#endpoints/fixture.ts'
import type { Authority } from '#endpoints/workshop.ts'
import { messageOf, TrustplaneError } from '#errors.ts'
import { writeTogether } from '#pki/atomic-write.ts'
import type { PkiFiles } from '#pki/types.ts'

export interface BadtlsFiles {
  dir: string
  authority: Authority
  /** False: it was there, and is used again. */
  isNew: boolean
  /** PEM: etcd's --client-crl-file, with the serial of the revoked client certificate. */
  crl: string
  clients: readonly Client[]
}

type Client = Pick<CertificateFixture, 'name' | 'chain' | 'key' | 'crl'>

export const folderOf = (options: { write?: string; dir: string }): string =>
  resolve(options.write ?? join(options.dir, 'badtls'))

/**
 * Writes ca.crt, ca.key, crl.pem and client/<defect>.crt and .key; the clients' are new each time; the CA is not, nor is
 * the revoked one with its list, since servers may have read it at their start.
 * @throws TrustplaneError TP_PEM_INVALID, TP_FILE_UNREADABLE
 */
export async function prepareFiles(dir: string): Promise<BadtlsFiles> {
  const kept = readAuthority(dir)
  const authority = kept ?? (await createAuthority({ commonName: 'trustplane badtls CA' }))
  const names = certificateDefects.filter(row => 'client' in row && row.name !== 'no-certificate').map(row => row.name)
  const revoked = kept && readRevoked(dir)
  const clients = await Promise.all(
    names.map(async (name): Promise<Client> => {
      if (name === 'revoked' && revoked) return revoked
      return certificateFixture(name as ClientDefectName, { authority, side: 'client', commonName: `badtls-${name}` })
    }),
  )
  const files: PkiFiles = new Map()
  if (!kept) {
    files.set('ca.key', { content: authority.key, mode: 0o600 })
    files.set('ca.crt', { content: authority.cert, mode: 0o644 })
  }
  for (const { name, chain, key } of clients) {
    files.set(`client/${name}.key`, { content: key, mode: 0o600 })
    files.set(`client/${name}.crt`, { content: chain, mode: 0o644 })
  }
  const crl = clients.find(({ name }) => name === 'revoked')!.crl!
  files.set('crl.pem', { content: crl, mode: 0o644 })
  await writeTogether(dir, files)
  return { dir, authority, isNew: !kept, crl, clients }
}

function readAuthority(dir: string): Authority | undefined {
  const [certFile, keyFile] = [join(dir, 'ca.crt'), join(dir, 'ca.key')]
  if (!existsSync(certFile) && !existsSync(keyFile)) return undefined
  try {
    // badtls itself needs the first one; further roots may stand behind it
    const certificate = new X509Certificate(readFileSync(certFile))
    const key = readFileSync(keyFile, 'utf8')
    if (!certificate.checkPrivateKey(createPrivateKey(key))) throw new Error('ca.key does not belong to ca.crt')
    return { commonName: /^CN=(.*)$/m.exec(certificate.subject)?.[1] ?? '', cert: `${certificate.toString()}`, key }
  } catch (cause) {
    throw new TrustplaneError('TP_PEM_INVALID', `the CA in ${dir} cannot be used: ${messageOf(cause)}`, {
      fix: 'remove ca.crt and ca.key there, and let the servers trust the new ca.crt',
      cause,
    })
  }
}

/** Undefined when a file of the three is missing. */
function readRevoked(dir: string): Client | undefined {
  const [crt, keyFile, list] = ['client/revoked.crt', 'client/revoked.key', 'crl.pem'].map(name => join(dir, name))
  if (![crt, keyFile, list].every(file => existsSync(file!))) return undefined
  const read = (file: string | undefined) => readFileSync(file!, 'utf8')
  return { name: 'revoked', chain: read(crt), key: read(keyFile), crl: read(list) }
}
