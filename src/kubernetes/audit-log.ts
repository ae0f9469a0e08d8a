/** The audit log's file: lines are gathered and appended in one write at a time; it turns over when it is full. */
import { type FileHandle, open, readdir, rename, stat, unlink } from 'node:fs/promises'
import { basename, dirname, extname, join } from 'node:path'
import type { Log } from '#log.ts'
import type { AuditSink } from './audit.ts'

export interface AuditLogOptions {
  /** `-` is standard output. */
  path: string
  /** `--audit-log-maxsize`, in megabytes; 0: never turned over. */
  maxSizeMb?: number
  /** `--audit-log-maxbackup`: older files are deleted; 0: all are kept. */
  maxBackups?: number
  log: Log
}

export function createAuditLog({ path, maxSizeMb = 0, maxBackups = 0, log }: AuditLogOptions): AuditSink {
  let waiting: string[] = []
  let writing: Promise<void> | undefined
  let file: FileHandle | undefined
  let size = 0

  async function write(text: string): Promise<void> {
    if (path === '-') {
      process.stdout.write(text)
      return
    }
    if (file && maxSizeMb > 0 && size + text.length > maxSizeMb * 1024 * 1024) await turnOver()
    if (!file) {
      file = await open(path, 'a', 0o600)
      size = (await stat(path)).size
    }
    const bytes = Buffer.from(text)
    await file.appendFile(bytes)
    size += bytes.length
  }

  // lumberjack, which the original uses: audit-2026-11-24T07-00-00.000.log
  async function turnOver(): Promise<void> {
    await file?.close()
    file = undefined
    const extension = extname(path)
    const stem = basename(path, extension)
    const time = new Date().toISOString().replaceAll(':', '-').replace('Z', '')
    await rename(path, join(dirname(path), `${stem}-${time}${extension}`))
    if (maxBackups === 0) return
    const old = (await readdir(dirname(path))).filter(name => name.startsWith(`${stem}-`) && name.endsWith(extension))
    for (const name of old.sort().slice(0, Math.max(0, old.length - maxBackups)))
      await unlink(join(dirname(path), name))
  }

  async function drain(): Promise<void> {
    while (waiting.length > 0) {
      const text = waiting.join('')
      waiting = []
      try {
        await write(text)
      } catch (error) {
        log.error("Error in audit plugin 'log' affecting audit events", error, { path })
      }
    }
    writing = undefined
  }

  return {
    write(line) {
      waiting.push(line)
      writing ??= drain()
    },
    async close() {
      await writing
      await file?.close()
    },
  }
}
