/** Which file is meant by a rehearsal's name or path. */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { nearest, TrustplaneError } from '#errors.ts'
import { packageRoot } from '#pki/package-root.ts'

const packaged = (): string => join(packageRoot(), 'scenarios', 'rehearsals')

export const rehearsalNames = (): string[] =>
  readdirSync(packaged())
    .filter(name => name.endsWith('.yaml'))
    .map(name => name.slice(0, -5))
    .sort()

/** @throws TrustplaneError TP_NAME_UNKNOWN */
export function findRehearsal(name: string): string {
  if (/\.ya?ml$/.test(name) && existsSync(name)) return name
  const names = rehearsalNames()
  if (names.includes(name)) return join(packaged(), `${name}.yaml`)
  const near = nearest(name, names)
  throw new TrustplaneError('TP_NAME_UNKNOWN', `no rehearsal ${JSON.stringify(name)}`, {
    fix: near ? `did you mean ${near}?` : 'see `trustplane rehearse --list`',
  })
}
