/** Where handshake records go and how they are read again: `<state>/connections/<component>.jsonl`. */
import {
  appendFileSync,
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  writeSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { HandshakeRecord, RecordSink } from './types.ts'

/** A file that grew this large is put aside as `<file>.1` (one is kept), so that a long run does not fill a disk. */
const maxFileBytes = 8 * 1024 * 1024

/**
 * Appends to `path`, a line a record; what came within one turn of the event loop is written at once.
 * What the component has loaded goes to `../loaded/`, under the same name.
 */
export function fileRecords(path: string): RecordSink {
  const loadedPath = join(dirname(dirname(path)), 'loaded', basename(path))
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  let file: number | undefined = openSync(path, 'a', 0o600)
  let size = fstatSync(file).size
  // whoever died in the middle of a line left its end to us
  let pending = endsMidLine(path) ? ['\n'] : []
  let scheduled = false
  const flush = () => {
    scheduled = false
    if (pending.length === 0 || file === undefined) return
    const text = pending.join('')
    pending = []
    try {
      if (size > maxFileBytes) {
        closeSync(file)
        renameSync(path, `${path}.1`)
        file = openSync(path, 'a', 0o600)
        size = 0
      }
      size += writeSync(file, text)
    } catch {
      // A full disk or a state directory that is gone must not stop a server; what is lost is a record.
    }
  }
  return {
    write(record) {
      if (file === undefined) return
      if (!scheduled) setImmediate(flush)
      scheduled = true
      pending.push(`${JSON.stringify(record)}\n`)
    },
    loaded(seen) {
      if (file === undefined) return
      try {
        mkdirSync(dirname(loadedPath), { recursive: true, mode: 0o700 })
        appendFileSync(loadedPath, `${JSON.stringify(seen)}\n`, { mode: 0o600 })
      } catch {
        // as with records: what is lost is a line of `status --drift`
      }
    },
    async close() {
      flush()
      if (file !== undefined) closeSync(file)
      file = undefined
    },
  }
}

function endsMidLine(path: string): boolean {
  const file = openSync(path, 'r')
  try {
    const { size } = fstatSync(file)
    const last = Buffer.alloc(1)
    return size > 0 && readSync(file, last, 0, 1, size - 1) === 1 && last[0] !== 0x0a
  } finally {
    closeSync(file)
  }
}

export interface MemoryRecords extends RecordSink {
  readonly records: HandshakeRecord[]
  /** The first record, there or still to come, that fits. */
  find(fits: (record: HandshakeRecord) => boolean): Promise<HandshakeRecord>
}

/** Keeps the last `limit` records. */
export function memoryRecords(limit = 10_000): MemoryRecords {
  const records: HandshakeRecord[] = []
  const waiting = new Set<(record: HandshakeRecord) => void>()
  return {
    records,
    write(record) {
      records.push(record)
      if (records.length > limit) records.shift()
      for (const wake of waiting) wake(record)
    },
    find: fits =>
      new Promise(resolve => {
        const found = records.find(fits)
        if (found) return resolve(found)
        const wake = (record: HandshakeRecord) => {
          if (!fits(record)) return
          waiting.delete(wake)
          resolve(record)
        }
        waiting.add(wake)
      }),
    async close() {},
  }
}

/** Whoever reads the records is told which member of etcd it was. */
export const withMember = (sink: RecordSink, member: string): RecordSink => ({
  ...sink,
  write: record => sink.write({ ...record, member }),
})

/** To several sinks at once. */
export function teeRecords(...sinks: readonly RecordSink[]): RecordSink {
  return {
    write: record => sinks.forEach(sink => void sink.write(record)),
    loaded: file => sinks.forEach(sink => void sink.loaded?.(file)),
    close: async () => void (await Promise.all(sinks.map(sink => sink.close()))),
  }
}

/** Every component's records, in order of time. A half-written last line, and a file that is gone, are passed over. */
export function readRecords(stateDir: string): HandshakeRecord[] {
  const folder = join(stateDir, 'connections')
  let names: string[]
  try {
    names = readdirSync(folder).filter(name => /\.jsonl(\.1)?$/.test(name))
  } catch {
    return []
  }
  // the older half first
  const records = names
    .sort((a, b) => b.length - a.length || a.localeCompare(b))
    .flatMap(name => readFile(join(folder, name)))
  return records.sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0))
}

function readFile(path: string): HandshakeRecord[] {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    return []
  }
  return text.split('\n').flatMap(line => {
    try {
      const record: unknown = JSON.parse(line)
      return isRecord(record) ? [record] : []
    } catch {
      return []
    }
  })
}

const isRecord = (value: unknown): value is HandshakeRecord =>
  typeof value === 'object' && value !== null && 'handshake' in value && 'end' in value && 'outcome' in value

/** One handshake, as its two ends saw it. */
export interface JoinedHandshake {
  handshake: string
  /** Of the last record. */
  time: string
  client?: HandshakeRecord
  server?: HandshakeRecord
}

/**
 * Both ends by handshake id, in order of their first record; a later record of an end supersedes an earlier one.
 * A client that was turned away at its ClientHello has heard no id: it is joined by the two addresses of the connection, with the last
 * server's record that has no client yet. What then fits nowhere stands alone.
 */
export function joinHandshakes(records: readonly HandshakeRecord[]): JoinedHandshake[] {
  const joined = new Map<string, JoinedHandshake>()
  const nameless: HandshakeRecord[] = []
  records.forEach((record, i) => {
    if (record.handshake === '' && record.end === 'client' && record.local) {
      nameless.push(record)
      return
    }
    const key = record.handshake || `alone:${i}`
    const one = joined.get(key) ?? { handshake: record.handshake, time: record.time }
    joined.set(key, one)
    one.time = record.time
    one[record.end] = record
  })
  const all = [...joined.values()]
  for (const record of nameless) {
    const fits = ({ client, server }: JoinedHandshake) =>
      !client && server?.address === record.local && server?.port === record.port
    const one = all.findLast(fits)
    if (one) one.client = { ...record, handshake: one.handshake }
    else all.push({ handshake: '', time: record.time, client: record })
  }
  return all
}
