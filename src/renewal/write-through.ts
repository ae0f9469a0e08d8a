/**
 * From a Secret to the PKI on disk: a Certificate with the annotation trustplane.io/certificate keeps the files of that name fresh, so that
 * what runs there (and reads its files again) is served by it. All of a pair or nothing; a kubeconfig keeps its CA.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { EventRecorder } from '#components/event-recorder.ts'
import { messageOf, nearest } from '#errors.ts'
import { recover, writeTogether } from '#pki/atomic-write.ts'
import { withClientCertificate } from '#pki/kubeconfig.ts'
import { withLock } from '#pki/lock.ts'
import { ownCertificates } from '#pki/lookup.ts'
import type { CertificateSpec, KubeconfigSpec, PkiFiles, Plan } from '#pki/types.ts'
import type { Issued } from './certificates.ts'
import { referenceOf } from './context.ts'
import { dataOf } from './policies.ts'
import { certificates, writesTo } from './types.ts'

export interface WriteThroughOptions {
  dir: string
  plan: Plan
  /** What was written, and until when it is good. */
  onWritten?: (file: string, notAfter: string) => void
}

type Row = CertificateSpec | KubeconfigSpec

export function writeThrough({ dir, plan, onWritten }: WriteThroughOptions) {
  const rows: readonly Row[] = [...ownCertificates(plan), ...plan.kubeconfigs]
  return async ({ certificate, secret }: Issued, events: EventRecorder): Promise<void> => {
    const name = certificate.metadata.annotations?.[writesTo]
    if (name === undefined) return
    const warn = (reason: string, message: string) =>
      events.event(referenceOf(certificates, certificate), 'Warning', reason, message)
    const row = rows.find(candidate => candidate.name === name)
    if (!row) {
      const near = nearest(
        name,
        rows.map(candidate => candidate.name),
      )
      warn(
        'UnknownCertificate',
        `there is no ${JSON.stringify(name)} in the PKI of ${dir}${near ? `; did you mean ${JSON.stringify(near)}?` : ''}`,
      )
      return
    }
    const [pem, key] = [dataOf(secret, 'tls.crt'), dataOf(secret, 'tls.key')]
    try {
      const file = await withLock(dir, async () => {
        await recover(dir)
        const files = await filesOf(dir, row, pem, key)
        await writeTogether(dir, files)
        return [...files.keys()].at(-1)
      })
      if (!file) return
      events.event(referenceOf(certificates, certificate), 'Normal', 'Written', `Wrote ${file}`)
      onWritten?.(file, certificate.status?.notAfter ?? '')
    } catch (error) {
      // the files are as they were; the next issuance, or the next start, tries again
      warn('WriteFailed', `${messageOf(error)}; the files are as they were`)
    }
  }
}

/** Nothing when the files hold it already. */
async function filesOf(dir: string, row: Row, pem: string, key: string): Promise<PkiFiles> {
  const read = (file: string) => readFile(join(dir, file), 'utf8').catch(() => '')
  if ('certificateFile' in row) {
    if ((await read(row.certificateFile)) === pem && (await read(row.keyFile)) === key) return new Map()
    return new Map([
      [row.keyFile, { content: key, mode: row.keyMode }],
      [row.certificateFile, { content: pem, mode: 0o644 }],
    ])
  }
  const before = await read(row.file)
  if (before === '') throw new Error(`${join(dir, row.file)} is not there`)
  const after = withClientCertificate(before, pem, key)
  return before === after ? new Map() : new Map([[row.file, { content: after, mode: row.mode }]])
}
