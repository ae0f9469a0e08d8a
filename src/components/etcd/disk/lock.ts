/**
 * One process a data directory. The lock is a listening socket in it: the kernel lets go of it when its process dies, however
 * it dies, and whoever finds it taken can ask who has it. (Node has no flock.)
 */
import { open, stat, unlink } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { TrustplaneError } from '#errors.ts'
import type { Log } from '#log.ts'

/** Taking over the socket of a dead process takes milliseconds; a guard file older than this was left by one that died on the way. */
const guardStaleMs = 5000
const guardTries = 100

/** @returns what lets go of it @throws TrustplaneError TP_DATA_DIR_IN_USE */
export async function lockDirectory(dir: string, log: Log): Promise<() => Promise<void>> {
  // a socket's path has 107 bytes at most; from within the directory it is short
  const folder = await open(dir, 'r')
  const inside = process.platform === 'linux' ? `/proc/self/fd/${folder.fd}` : dir
  const path = join(inside, 'lock')
  try {
    const guard = `${path}.taking`
    await takeGuard(guard)
    try {
      const holder = await whoHolds(path)
      if (holder !== undefined) {
        throw new TrustplaneError(
          'TP_DATA_DIR_IN_USE',
          `etcd: another etcd process is using the same data dir and holding the file lock: ${dir}`,
          { fix: `stop process ${holder}, or give another --data-dir` },
        )
      }
      await unlink(path).catch(() => {})
      const server = await hold(path)
      return async () => {
        // closing removes the socket's file, too
        await new Promise(resolve => server.close(resolve))
        await folder.close()
      }
    } finally {
      await unlink(guard).catch(() => {})
    }
  } catch (error) {
    if (error instanceof TrustplaneError) {
      await folder.close()
      throw error
    }
    // some shared volumes know no sockets
    log.warn('data dir cannot be locked', { 'data-dir': dir, error: (error as Error).message })
    return () => folder.close()
  }
}

async function takeGuard(guard: string): Promise<void> {
  for (let i = 0; i < guardTries; i++) {
    try {
      await (await open(guard, 'wx', 0o600)).close()
      return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      const age = await stat(guard).then(
        ({ mtimeMs }) => Date.now() - mtimeMs,
        () => 0,
      )
      if (age > guardStaleMs) await unlink(guard).catch(() => {})
      else await sleep(50)
    }
  }
  throw new Error(`${guard} stays`)
}

/** The process id behind the socket; undefined when nobody listens. */
function whoHolds(path: string): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    let pid = ''
    const socket = connect(path)
    socket.on('data', chunk => {
      pid += chunk.toString()
    })
    socket.on('end', () => resolve(pid.trim()))
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') resolve(undefined)
      else reject(error)
    })
  })
}

function hold(path: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer(socket => {
      socket.on('error', () => {})
      socket.end(`${process.pid}\n`)
    })
    server.once('error', reject)
    server.listen({ path }, () => {
      server.unref()
      resolve(server)
    })
  })
}
