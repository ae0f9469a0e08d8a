import { createPrivateKey } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { issueRevocationList } from '#pki/revocation-list.ts'
import { changeRow, type Fault, renewed, text } from './fault.ts'

const list = 'pki/etcd/client.crl'
const dayMs = 86_400_000

export const revokedCertificate: Fault = {
  name: 'revoked-certificate',
  summary: 'the serial of a client certificate is on the list that etcd is given (--client-crl-file)',
  attributes: {
    certificate: { kind: 'certificate', description: 'Which one.' },
    authority: { kind: 'file', description: 'The CA that signs the list, without extension: `pki/etcd/ca`.' },
  },
  apply(given, attributes) {
    const serialNumber = '5e7004ed'
    changeRow(given, text(attributes, 'certificate'), { serialNumber })
    given.flags.etcd = [...(given.flags.etcd ?? []), `--client-crl-file={dir}/${list}`]
    const content = async (dir: string) => {
      const authority = join(dir, text(attributes, 'authority'))
      const [certificate, key] = await Promise.all(['.crt', '.key'].map(end => readFile(`${authority}${end}`, 'utf8')))
      return issueRevocationList(
        {
          serialNumbers: [serialNumber],
          thisUpdate: new Date(Date.now() - dayMs),
          nextUpdate: new Date(Date.now() + dayMs),
        },
        { certificate: certificate!, key: createPrivateKey(key!) },
      )
    }
    given.files = { ...given.files, [list]: { content, mode: 0o644 } }
  },
  // the list stays: a new certificate has another serial
  undo: renewed,
}
