/** Loaded with `--import`: the process is killed, as by `kill -9`, in the moment before a file whose path ends so would be put in its place. */
import { existsSync } from 'node:fs'
import fs from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'

const { rename } = fs
fs.rename = async (from, to) => {
  if (String(to).endsWith(process.env.KILL_BEFORE!) && existsSync(from)) process.kill(process.pid, 'SIGKILL')
  await rename(from, to)
}
syncBuiltinESMExports()
