/**
 * The files of a tarball, and of the tarballs in it (an image's layers), plain, gzip or zstd: streamed, nothing written, no file read
 * further than `mostBytes`, and given up when it expands beyond reason.
 */
import { createReadStream } from 'node:fs'
import { Parser, type ReadEntry } from 'tar'
import { messageOf, TrustplaneError } from '#errors.ts'
import { type Blob, type Looked, mostBytes } from './types.ts'

/** gzip, zstd, or `ustar` where a tar header has it. */
export const isArchive = (start: Uint8Array): boolean =>
  (start[0] === 0x1f && start[1] === 0x8b) ||
  (start[0] === 0x28 && start[1] === 0xb5 && start[2] === 0x2f && start[3] === 0xfd) ||
  Buffer.from(start.subarray(257, 262)).toString('latin1') === 'ustar'

const limits = {
  /** A tarball in a layer of an image; deeper ones are files. */
  depth: 2,
  /** An honest layer of text shrinks to a tenth. */
  ratio: 200,
  totalBytes: 64 * 2 ** 30,
  entries: 2_000_000,
}

interface Reading {
  file: string
  looked: Looked
  /** Told of every file, in the order of the archive. */
  visit(blob: Blob): void
  /** Told of every entry's name, files or not: whiteouts are empty files. */
  visitName?(layer: string, path: string): void
  bytes: number
  entries: number
}

/** @throws TrustplaneError TP_INPUT_INVALID for what is no tarball, and for one that expands beyond reason */
export async function readArchive(
  file: string,
  looked: Looked,
  visit: Reading['visit'],
  visitName?: Reading['visitName'],
): Promise<void> {
  const reading: Reading = { file, looked, visit, bytes: 0, entries: 0, ...(visitName ? { visitName } : {}) }
  try {
    await parse(createReadStream(file), reading, '', 0)
  } catch (error) {
    // tar's own (TAR_ABORT, beyond the ratio) and zlib's (Z_DATA_ERROR)
    if (/^(TAR|Z)_/.test((error as NodeJS.ErrnoException).code ?? '')) throw bad(reading, '', messageOf(error))
    throw error
  }
}

async function parse(source: AsyncIterable<Buffer>, reading: Reading, layer: string, depth: number): Promise<void> {
  // an entry of an aborted archive neither ends nor fails: nothing waits for it without this
  const failed = Promise.withResolvers<never>()
  failed.promise.catch(() => {})
  const until = <T>(step: Promise<T>) => Promise.race([step, failed.promise])
  let work: Promise<void> = Promise.resolve()
  const parser = new Parser({
    maxDecompressionRatio: limits.ratio,
    brotli: false,
    strict: false,
    onReadEntry: entry => {
      // one after the other: the parser waits for an entry to be read
      work = readEntry(entry, reading, layer, depth).catch(failed.reject)
    },
    onwarn: (code, message) => {
      if (code === 'TAR_ABORT' || code === 'TAR_BAD_ARCHIVE') failed.reject(bad(reading, layer, messageOf(message)))
    },
  })
  const ended = new Promise<void>(resolve => {
    parser.on('end', resolve)
  })
  for await (const chunk of source) {
    const drained = new Promise<void>(resolve => parser.once('drain', resolve))
    if (!parser.write(chunk)) await until(drained)
  }
  parser.end()
  await until(ended)
  await until(work)
}

async function readEntry(entry: ReadEntry, reading: Reading, layer: string, depth: number): Promise<void> {
  const path = entry.path.replace(/^(\.?\/)+/, '')
  if (++reading.entries > limits.entries) throw bad(reading, layer, `more than ${limits.entries} entries`)
  reading.visitName?.(layer, path)
  if (entry.type !== 'File' && entry.type !== 'OldFile' && entry.type !== 'ContiguousFile') {
    entry.resume()
    return
  }
  const chunks = entry[Symbol.asyncIterator]()
  const start: Buffer[] = []
  let length = 0
  // a tar header is 512 bytes long
  while (length < Math.min(512, entry.size)) {
    const { value, done } = await chunks.next()
    if (done) break
    start.push(value)
    length += value.length
  }
  const first = Buffer.concat(start)
  if (depth < limits.depth && isArchive(first)) {
    return parse(counted(first, chunks, reading, layer), reading, [layer, path].filter(Boolean).join('!'), depth + 1)
  }
  const kept: Buffer[] = [first]
  let keptBytes = first.length
  for await (const chunk of counted(Buffer.alloc(0), chunks, reading, layer)) {
    if (keptBytes < mostBytes) kept.push(chunk)
    keptBytes += chunk.length
  }
  if (keptBytes > mostBytes) reading.looked.skipped.push(`${path}: only its first ${mostBytes >> 20} MiB`)
  const data = Buffer.concat(kept).subarray(0, mostBytes)
  reading.visit({ path, data, place: layer ? { layer } : {} })
}

async function* counted(
  first: Buffer,
  rest: AsyncIterator<Buffer>,
  reading: Reading,
  layer: string,
): AsyncGenerator<Buffer> {
  if (first.length > 0) yield first
  for (let next = await rest.next(); !next.done; next = await rest.next()) {
    reading.bytes += next.value.length
    if (reading.bytes > limits.totalBytes)
      throw bad(reading, layer, `it expands to more than ${limits.totalBytes / 2 ** 30} GiB`)
    yield next.value
  }
}

const bad = ({ file }: Reading, layer: string, why: string) =>
  new TrustplaneError('TP_INPUT_INVALID', `cannot read the tarball ${file}${layer ? ` (${layer})` : ''}: ${why}`, {
    fix: 'give a tarball of `docker save`, an OCI layout, or a folder',
    at: { file },
  })
