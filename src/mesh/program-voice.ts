/** Which Go a real program was built with: what it says of a certificate depends on it. */
import { spawnSync } from 'node:child_process'
import type { Voice } from '#x509/types.ts'

const known = new Map<string, Voice>()

/** `tls: failed to verify certificate: …` came with Go 1.20, and what else sets the voices apart with it or later. */
const firstOfNewer = 20

/** By `etcd --version`, which says `Go Version: go1.19.8`; what does not say is taken for a new one. */
export function goVoiceOf(program: string): Voice {
  let voice = known.get(program)
  if (voice === undefined) {
    const { stdout } = spawnSync(program, ['--version'], { encoding: 'utf8', timeout: 5000 })
    const minor = /\bgo1\.(\d+)/.exec(stdout ?? '')?.[1]
    voice = minor !== undefined && Number(minor) < firstOfNewer ? 'go1.19' : 'go1.24'
    known.set(program, voice)
  }
  return voice
}
