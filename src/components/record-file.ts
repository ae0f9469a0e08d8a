/** Handshake records on disk: a line each, appended at once, so that they are there after a crash and for readers in other processes. */
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { messageOf } from '#errors.ts'
import type { Log } from '#log.ts'
import type { RecordSink } from '#tls/types.ts'

/** A sink that forgets: for a component that was given no state directory. */
export const noRecords: RecordSink = { write() {}, async close() {} }

/**
 * `<stateDir>/connections/<component>.jsonl`. Several processes may append to one file (kubelets of several nodes): each line is one
 * write with O_APPEND. A file that cannot be written is said once; connections are not refused for the lack of a record.
 */
export function recordFile(stateDir: string, component: string, log: Log): RecordSink {
  const path = join(stateDir, 'connections', `${component}.jsonl`)
  let fd: number | undefined
  let broken = false
  return {
    write(record) {
      if (broken) return
      try {
        if (fd === undefined) {
          mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
          fd = openSync(path, 'a', 0o600)
        }
        writeSync(fd, `${JSON.stringify(record)}\n`)
      } catch (error) {
        broken = true
        log.error('connections are no longer recorded', messageOf(error), { file: path })
      }
    },
    async close() {
      broken = true
      if (fd !== undefined) closeSync(fd)
      fd = undefined
    },
  }
}
