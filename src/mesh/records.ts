/** Handshake records as they come: `<dir>/connections/*.jsonl`, watched, and read on from where one began. */
import { closeSync, fstatSync, mkdirSync, openSync, readdirSync, readSync, statSync, watch } from 'node:fs'
import { join, resolve } from 'node:path'
import type { HandshakeRecord } from '#tls/types.ts'

export const recordsFolder = (dir: string): string => join(resolve(dir), 'connections')

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

/** Reads what is written from now on: each call gives the records that came since the last. */
export function newRecords(dir: string): () => HandshakeRecord[] {
  const folder = recordsFolder(dir)
  const offsets = new Map<string, number>()
  const names = () => {
    try {
      return readdirSync(folder).filter(name => name.endsWith('.jsonl'))
    } catch {
      return []
    }
  }
  for (const name of names()) offsets.set(name, statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0)
  return () =>
    names().flatMap(name => {
      const text = readFrom(join(folder, name), offsets.get(name) ?? 0)
      // a line that is half written is left for the next time
      const whole = text.subarray(0, text.lastIndexOf(10) + 1)
      offsets.set(name, (offsets.get(name) ?? 0) + whole.length)
      return parseLines(whole.toString('utf8'))
    })
}

function parseLines(text: string): HandshakeRecord[] {
  return text.split('\n').flatMap(line => {
    try {
      return [JSON.parse(line) as HandshakeRecord]
    } catch {
      return []
    }
  })
}

function readFrom(file: string, offset: number): Buffer {
  let fd: number
  try {
    fd = openSync(file, 'r')
  } catch {
    return Buffer.alloc(0)
  }
  try {
    const buffer = Buffer.allocUnsafe(Math.max(0, fstatSync(fd).size - offset))
    return buffer.subarray(0, readSync(fd, buffer, 0, buffer.length, offset))
  } finally {
    closeSync(fd)
  }
}
