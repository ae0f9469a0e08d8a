/**
 * `--data-dir`: a write-ahead log with group commit, and snapshots that let it start anew. An entry is answered only when it is
 * on the disk. While one batch is written and synced, what comes meanwhile gathers for the next.
 *
 *   <data-dir>/trustplane/lock      who uses it
 *   <data-dir>/trustplane/<n>.snap  everything up to the start of <n>.wal
 *   <data-dir>/trustplane/<n>.wal   entries since
 *
 * It is a folder of its own, so that a real etcd and this one never take each other's files for theirs.
 */
import { close, constants, fdatasync, ftruncate, open as openFd, write } from 'node:fs'
import { chmod, mkdir, open, readdir, readFile, rename, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { TrustplaneError } from '#errors.ts'
import type { Log } from '#log.ts'
import { etcdError } from '../errors.ts'
import type { Entry, Journal, SnapshotData } from '../journal.ts'
import { decodeEntry, decodeSnapshot, encodeEntry, encodeSnapshot } from './codec.ts'
import { frame, readFrames } from './frames.ts'
import { lockDirectory } from './lock.ts'

export interface DataDirOptions {
  log: Log
  /** How long a batch took to write and sync. */
  onSync(seconds: number): void
  /** The disk failed in a way that nothing can be trusted after. */
  onFatal(error: Error): void
  /** A snapshot is due when the log has so many bytes, and twice what the last snapshot had. */
  snapshotBytes?: number
}

interface Waiting {
  payload: string
  done: (error?: Error) => void
}

const openFile = promisify(openFd)
const truncateFile = promisify(ftruncate)
const syncFile = promisify(fdatasync)
const closeFile = promisify(close)

/** @returns how many bytes were written, which may be fewer */
const writeFile = (fd: number, buffer: Buffer, offset: number, position: number): Promise<number> =>
  new Promise((resolve, reject) => {
    write(fd, buffer, offset, buffer.length - offset, position, (error, written) =>
      error ? reject(error) : resolve(written),
    )
  })

/** With O_DSYNC a write returns when its data is on the disk: one trip to the thread pool instead of two. */
const writesThrough: number | undefined = constants.O_DSYNC

/** The log grows by so much. */
const fillBytes = 2 ** 20
const zeros = Buffer.alloc(64 * 1024)

const isZero = (file: Buffer, from: number) => {
  for (let at = from; at < file.length; at += zeros.length) {
    const length = Math.min(zeros.length, file.length - at)
    if (file.compare(zeros, 0, length, at, at + length) !== 0) return false
  }
  return true
}

/** Errors that mean "no room", after which the disk can still be trusted. */
const isFull = (error: NodeJS.ErrnoException) => /^(ENOSPC|EDQUOT|EFBIG)$/.test(error.code ?? '')

/** @throws TrustplaneError TP_DATA_DIR_IN_USE, TP_DATA_DIR_INVALID, TP_FILE_UNREADABLE */
export async function openDataDir(dataDir: string, options: DataDirOptions): Promise<DataDir> {
  const dir = join(dataDir, 'trustplane')
  try {
    const there = await stat(dataDir).catch(() => undefined)
    if (there && (there.mode & 0o077) !== 0) {
      options.log.warn('check file permission', {
        error: `directory "${dataDir}" exist, but the permission is not 0700; it is set to that`,
      })
      await chmod(dataDir, 0o700)
    }
    if ((await names(dataDir)).includes('member') && !(await names(dataDir)).includes('trustplane')) {
      throw new TrustplaneError('TP_DATA_DIR_INVALID', `etcd: ${dataDir} holds a real etcd's data (member/)`, {
        fix: 'give another --data-dir, or run the real etcd on it (--etcd-binary)',
      })
    }
    await mkdir(dir, { recursive: true, mode: 0o700 })
  } catch (cause) {
    if (cause instanceof TrustplaneError) throw cause
    throw new TrustplaneError('TP_FILE_UNREADABLE', `etcd: cannot access data directory: ${(cause as Error).message}`, {
      fix: `make ${dataDir} a directory that this user can write`,
      cause,
    })
  }
  const unlock = await lockDirectory(dir, options.log)
  return new DataDir(dir, options, unlock)
}

const names = (dir: string) => readdir(dir).catch(() => [] as string[])

export class DataDir implements Journal {
  readonly #dir: string
  readonly #options: DataDirOptions
  readonly #unlock: () => Promise<void>
  #fd = -1
  /** Of the log file that is written to, and what is good of it. */
  #sequence = 1
  #size = 0
  /** Up to here the file is filled with zeros: writing there changes no metadata, which makes a sync two to four times as fast (ext4). */
  #filled = 0
  #batch = 0
  #waiting: Waiting[] = []
  #running: Promise<void> | undefined
  #snapshotting: Promise<void> | undefined
  #snapshotAt = 0
  #takeSnapshot: (() => SnapshotData) | undefined
  #full = false
  #dead: Error | undefined
  #closed: Promise<void> | undefined
  bytes = 0

  constructor(dir: string, options: DataDirOptions, unlock: () => Promise<void>) {
    this.#dir = dir
    this.#options = options
    this.#unlock = unlock
    this.#snapshotAt = this.#leastSnapshot
  }

  async load(): Promise<{ snapshot: SnapshotData | undefined; entries: Entry[] }> {
    const found = await names(this.#dir)
    // of a snapshot that a crash cut short
    for (const name of found.filter(name => name.endsWith('.tmp'))) await unlink(join(this.#dir, name))
    const files = found.map(name => /^(\d+)\.(wal|snap)$/.exec(name)).filter(match => match !== null)
    const numbers = (kind: string) =>
      files
        .filter(match => match[2] === kind)
        .map(match => Number(match[1]))
        .sort((a, b) => a - b)
    const from = numbers('snap').at(-1)
    let snapshot: SnapshotData | undefined
    if (from !== undefined) {
      const file = await readFile(this.#path(from, 'snap'))
      const { payloads } = readFrames(file)
      snapshot = decodeSnapshot(payloads)
      if (!snapshot) throw this.#damaged(this.#path(from, 'snap'))
      this.#snapshotAt = Math.max(this.#leastSnapshot, 2 * file.length)
    }
    const logs = numbers('wal').filter(n => n >= (from ?? 0))
    const entries: Entry[] = []
    for (const [i, n] of logs.entries()) {
      const path = this.#path(n, 'wal')
      const file = await readFile(path)
      const { payloads, batch, end, damaged } = readFrames(file)
      const isLast = i === logs.length - 1
      // an older log was left for the next one only after its last batch was synced
      const isCut = !isZero(file, end)
      if (damaged || (!isLast && isCut)) throw this.#damaged(path, end)
      if (isCut) {
        this.#options.log.warn('write-ahead log ends in a write that was cut short; it is left out', {
          path,
          offset: end,
        })
      }
      for (const payload of payloads) entries.push(decodeEntry(payload))
      this.#batch = batch
      this.#size = end
    }
    this.#sequence = logs.at(-1) ?? from ?? 1
    this.#filled = this.#size
    this.#fd = await this.#openLog(this.#sequence)
    await truncateFile(this.#fd, this.#size)
    await syncFile(this.#fd)
    await this.#syncDirectory()
    return { snapshot, entries }
  }

  append(entry: Entry, done: (error?: Error) => void): void {
    if (this.#dead) {
      done(this.#dead)
      return
    }
    this.#waiting.push({ payload: encodeEntry(entry), done })
    // what else came in with the same turn of the event loop joins the batch
    this.#running ??= new Promise(resolve => setImmediate(resolve)).then(() => this.#run())
  }

  onSnapshotDue(take: () => SnapshotData): void {
    this.#takeSnapshot = take
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    await this.#running
    await this.#snapshotting
    this.#dead ??= etcdError('stopped')
    if (this.#fd !== -1) await closeFile(this.#fd)
    await this.#unlock()
  }

  get #leastSnapshot(): number {
    return this.#options.snapshotBytes ?? 16 * 2 ** 20
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting
      this.#waiting = []
      const error = this.#dead ?? (await this.#write(batch.map(({ payload }) => payload)))
      for (const { done } of batch) done(error)
      if (!error && this.#size > this.#snapshotAt && !this.#snapshotting) await this.#startSnapshot()
    }
    this.#running = undefined
  }

  /** @returns why it is not on the disk */
  async #write(payloads: string[]): Promise<Error | undefined> {
    const buffer = frame(payloads, this.#batch + 1)
    const began = performance.now()
    try {
      if (this.#size + buffer.length > this.#filled) await this.#fill(buffer.length)
      let written = 0
      while (written < buffer.length) {
        written += await writeFile(this.#fd, buffer, written, this.#size + written)
      }
      if (writesThrough === undefined) await syncFile(this.#fd)
    } catch (cause) {
      return this.#writeFailed(cause as NodeJS.ErrnoException)
    }
    this.#options.onSync((performance.now() - began) / 1000)
    this.#batch++
    this.#size += buffer.length
    this.bytes += buffer.length
    if (this.#full) this.#options.log.info('write-ahead log can be written again', { dir: this.#dir })
    this.#full = false
    return undefined
  }

  async #fill(least: number): Promise<void> {
    const end = this.#size + least + fillBytes
    try {
      // not through a descriptor that writes through: one sync for all of it
      const file = await open(this.#path(this.#sequence, 'wal'), 'r+')
      try {
        for (let at = Math.max(this.#filled, this.#size); at < end; ) {
          at += (await file.write(zeros, 0, Math.min(zeros.length, end - at), at)).bytesWritten
        }
        await file.datasync()
      } finally {
        await file.close()
      }
      this.#filled = end
    } catch (error) {
      // then the write itself meets what is wrong
      if (!isFull(error as NodeJS.ErrnoException)) throw error
    }
  }

  async #writeFailed(error: NodeJS.ErrnoException): Promise<Error> {
    const { log, onFatal } = this.#options
    if (isFull(error)) {
      try {
        await truncateFile(this.#fd, this.#size)
        await syncFile(this.#fd)
        this.#filled = this.#size
        if (!this.#full)
          log.error('write-ahead log cannot grow; writes are refused until there is space', error, { dir: this.#dir })
        this.#full = true
        return etcdError('noSpace')
      } catch {
        // then what is in the file is not known
      }
    }
    // after a failed sync the kernel may have dropped what it could not write, so trying again proves nothing
    this.#dead = new Error(`etcd: failed to save entries to ${this.#dir}: ${error.message}`, { cause: error })
    log.error('failed to save Raft hard state and entries', error, { dir: this.#dir })
    onFatal(this.#dead)
    return etcdError('stopped')
  }

  /** From here on entries go to a new log; the state so far is written beside it, and then the old files go. */
  async #startSnapshot(): Promise<void> {
    if (!this.#takeSnapshot) return
    const next = this.#sequence + 1
    let fd: number
    try {
      fd = await this.#openLog(next)
      await truncateFile(fd, 0)
      await this.#syncDirectory()
    } catch (error) {
      this.#options.log.warn('failed to start a new write-ahead log', { error: (error as Error).message })
      this.#snapshotAt = this.#size + this.#leastSnapshot
      return
    }
    await closeFile(this.#fd)
    this.#fd = fd
    this.#sequence = next
    this.#size = 0
    this.#filled = 0
    this.#batch = 0
    this.#snapshotting = this.#saveSnapshot(next, this.#takeSnapshot())
      .catch((error: Error) => {
        this.#options.log.warn('failed to save snapshot', { error: error.message })
        this.#snapshotAt = this.#leastSnapshot
      })
      .finally(() => {
        this.#snapshotting = undefined
      })
  }

  async #saveSnapshot(sequence: number, data: SnapshotData): Promise<void> {
    const path = this.#path(sequence, 'snap')
    const temporary = `${path}.tmp`
    const file = await open(temporary, 'w', 0o600)
    let size = 0
    try {
      for (const payload of encodeSnapshot(data)) {
        const { bytesWritten } = await file.write(frame([payload], 1))
        size += bytesWritten
      }
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
    await this.#syncDirectory()
    this.#snapshotAt = Math.max(this.#leastSnapshot, 2 * size)
    for (const name of await names(this.#dir)) {
      const number = /^(\d+)\.(wal|snap)$/.exec(name)?.[1]
      if (number !== undefined && Number(number) < sequence) await unlink(join(this.#dir, name))
    }
    this.#options.log.info('saved snapshot', { path, bytes: size, revision: data.revision })
  }

  #openLog(sequence: number): Promise<number> {
    const flags = constants.O_RDWR | constants.O_CREAT | (writesThrough ?? 0)
    return openFile(this.#path(sequence, 'wal'), flags, 0o600)
  }

  /** So that a new or renamed file is found again after a crash. */
  async #syncDirectory(): Promise<void> {
    const folder = await open(this.#dir, 'r')
    try {
      await folder.sync()
    } finally {
      await folder.close()
    }
  }

  #path(sequence: number, kind: 'wal' | 'snap'): string {
    return join(this.#dir, `${String(sequence).padStart(16, '0')}.${kind}`)
  }

  #damaged(path: string, offset?: number): TrustplaneError {
    const where = offset === undefined ? '' : ` at byte ${offset}`
    return new TrustplaneError('TP_DATA_DIR_INVALID', `etcd: walpb: crc mismatch: ${path}${where}`, {
      fix: 'the file was damaged after it was written: put back a copy, or start with another --data-dir',
    })
  }
}
