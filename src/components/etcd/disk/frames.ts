/**
 * How records lie in files of the data directory: magic, length, batch and CRC-32 (each 4 bytes, little endian), then the
 * payload, JSON in latin1 (keys and values are byte strings). A batch is what was written and synced at once, so a record of
 * batch n + 1 proves that batch n had reached the disk: that tells a write that a crash cut short from damage.
 */
import { crc32 } from 'node:zlib'

const magic = Buffer.from('TPe1')
const headerBytes = 16

/** One buffer with a frame for each payload. */
export function frame(payloads: readonly string[], batch: number): Buffer {
  let size = 0
  for (const payload of payloads) size += headerBytes + payload.length
  const buffer = Buffer.allocUnsafe(size)
  let at = 0
  for (const payload of payloads) {
    magic.copy(buffer, at)
    buffer.writeUInt32LE(payload.length, at + 4)
    buffer.writeUInt32LE(batch, at + 8)
    buffer.write(payload, at + headerBytes, 'latin1')
    const end = at + headerBytes + payload.length
    buffer.writeUInt32LE(
      crc32(buffer.subarray(at + 4, at + 12), crc32(buffer.subarray(at + headerBytes, end))),
      at + 12,
    )
    at = end
  }
  return buffer
}

export interface Frames {
  payloads: string[]
  /** Of the last good frame; 0 when there is none. */
  batch: number
  /** Where the good frames end. */
  end: number
  /** Bytes after that end belong to a batch that was synced: something damaged the file. */
  damaged: boolean
}

/** The good frames from the start on. */
export function readFrames(file: Buffer): Frames {
  const payloads: string[] = []
  let at = 0
  let batch = 0
  for (;;) {
    const found = frameAt(file, at)
    if (!found) break
    payloads.push(file.toString('latin1', at + headerBytes, found.end))
    batch = found.batch
    at = found.end
  }
  return { payloads, batch, end: at, damaged: holdsLaterBatch(file, at, batch) }
}

function frameAt(file: Buffer, at: number): { end: number; batch: number } | undefined {
  if (at + headerBytes > file.length || file.compare(magic, 0, 4, at, at + 4) !== 0) return undefined
  const end = at + headerBytes + file.readUInt32LE(at + 4)
  if (end > file.length) return undefined
  const crc = crc32(file.subarray(at + 4, at + 12), crc32(file.subarray(at + headerBytes, end)))
  return crc === file.readUInt32LE(at + 12) ? { end, batch: file.readUInt32LE(at + 8) } : undefined
}

/** The broken frame is of batch `batch` or the next one; a good frame of a still later batch means that it had been synced. */
function holdsLaterBatch(file: Buffer, from: number, batch: number): boolean {
  for (let at = file.indexOf(magic, from); at !== -1; at = file.indexOf(magic, at + 1)) {
    const found = frameAt(file, at)
    if (found && found.batch > batch + 1) return true
  }
  return false
}
