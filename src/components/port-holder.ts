/** Who listens on a port, on Linux; elsewhere nobody knows without a program's help. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

export interface PortHolder {
  pid: number
  /** Its name and, for scripts, what it runs: `node trustplane`, `etcd`. */
  command: string
}

/** Undefined when nobody does, or when it is another user's process that we may not look into. */
export function portHolder(port: number): PortHolder | undefined {
  const inodes = listeningInodes(port)
  if (inodes.size === 0) return undefined
  for (const pid of list('/proc')) {
    if (!/^\d+$/.test(pid)) continue
    for (const fd of list(`/proc/${pid}/fd`)) {
      const target = link(`/proc/${pid}/fd/${fd}`)
      const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1]
      if (inode && inodes.has(inode)) return { pid: Number(pid), command: commandOf(pid) }
    }
  }
  return undefined
}

/** Rows of /proc/net/tcp and tcp6 in state 0A (LISTEN); the local port is hexadecimal, the inode is the tenth field. */
function listeningInodes(port: number): Set<string> {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const inodes = new Set<string>()
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const line of read(table).split('\n').slice(1)) {
      const fields = line.trim().split(/\s+/)
      if (fields[3] === '0A' && fields[1]?.endsWith(suffix) && fields[9]) inodes.add(fields[9])
    }
  }
  return inodes
}

/** The first words of the command line, without folders: enough to recognise it, short enough for an error. */
function commandOf(pid: string): string {
  const words = read(`/proc/${pid}/cmdline`).split('\0').filter(Boolean)
  const short = words.slice(0, 3).map(word => (word.split('/').at(-1) ?? word).slice(0, 40))
  return short.length > 0 ? short.join(' ') : read(`/proc/${pid}/comm`).trim()
}

function attempt<T>(action: () => T, otherwise: T): T {
  try {
    return action()
  } catch {
    return otherwise
  }
}
const read = (file: string) => attempt(() => readFileSync(file, 'latin1'), '')
const list = (folder: string) => attempt(() => readdirSync(folder), [])
const link = (file: string) => attempt(() => readlinkSync(file), '')
