/** Reads the handshake records that the components append to `<dir>/connections/*.jsonl`, and joins the two ends of each handshake. */
import { closeSync, fstatSync, mkdirSync, openSync, readdirSync, readSync, watch } from 'node:fs'
import { join, resolve } from 'node:path'
import type { HandshakeRecord } from '#tls/types.ts'

export const recordsFolder = (dir: string): string => join(resolve(dir), 'connections')

/** What is known of one handshake. Real programs write no records, so either end may be missing. */
export interface Handshake {
  id: string
  client?: HandshakeRecord
  server?: HandshakeRecord
  /** RFC 3339; the client's when there is one. */
  time: string
}

/** Enough for the latest of every row by far; a file may have grown for days. */
const tailBytes = 8 * 1024 * 1024

/** Every record, oldest first within its file. A line that is half written (the process was killed) is passed over. */
export function readRecords(dir: string): HandshakeRecord[] {
  const folder = recordsFolder(dir)
  let files: string[]
  try {
    files = readdirSync(folder).filter(name => name.endsWith('.jsonl'))
  } catch {
    return []
  }
  return files.flatMap(name => parseLines(readTail(join(folder, name))))
}

export function parseLines(text: string): HandshakeRecord[] {
  const records: HandshakeRecord[] = []
  for (const line of text.split('\n')) {
    if (!line.startsWith('{') || !line.endsWith('}')) continue
    try {
      records.push(JSON.parse(line) as HandshakeRecord)
    } catch {}
  }
  return records
}

/** Joined by handshake id; of one end's records the last stands. Oldest first. */
export function joinHandshakes(records: readonly HandshakeRecord[]): Handshake[] {
  const byId = new Map<string, Handshake>()
  for (const record of records) {
    // a dial that reached nobody has no client random
    const id = record.handshake || `${record.from}>${record.to}@${record.time}`
    const handshake = byId.get(id) ?? { id, time: record.time }
    handshake[record.end] = record
    if (record.end === 'client' || !handshake.client) handshake.time = record.time
    byId.set(id, handshake)
  }
  return [...byId.values()].sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0))
}

/** Calls `changed` soon after records were written, not oftener than every 100 ms. */
export function watchRecords(dir: string, changed: () => void): { close(): void } {
  const folder = recordsFolder(dir)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  let timer: NodeJS.Timeout | undefined
  const watcher = watch(folder, () => {
    timer ??= setTimeout(() => {
      timer = undefined
      changed()
    }, 100)
  })
  return {
    close() {
      watcher.close()
      clearTimeout(timer)
    },
  }
}

function readTail(file: string): string {
  let fd: number
  try {
    fd = openSync(file, 'r')
  } catch {
    return ''
  }
  try {
    const { size } = fstatSync(fd)
    const length = Math.min(size, tailBytes)
    const buffer = Buffer.allocUnsafe(length)
    const read = readSync(fd, buffer, 0, length, size - length)
    return buffer.toString('utf8', 0, read)
  } finally {
    closeSync(fd)
  }
}
