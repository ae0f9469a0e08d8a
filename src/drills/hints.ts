/** Hints, each a little more: where to look, which end, why, by which file, and at last what mends it. */
import { layoutOf } from '#mesh/open.ts'
import { requireRunning } from '#mesh/state.ts'
import { reasons } from '#x509/reasons.ts'
import type { RedRow } from './catalogue.ts'
import { redRows } from './catalogue.ts'
import { requireDrill, scenarioOf, writeDrill } from './state.ts'
import { waysOf } from './ways.ts'

export interface Hint {
  /** Of how many there are: 1 is the first. */
  number: number
  of: number
  text: string
}

type HintMaker = (row: RedRow, dir: string) => string | Promise<string>

const name = ({ connection }: RedRow) => `${connection.from} -> ${connection.to}`

/** Nothing refused: the server is not there at all. */
const absent: readonly HintMaker[] = [
  row => `nobody reaches ${row.connection.to}. A component that does not run says why in its last lines`,
  row => `look at what it says when it starts: trustplane logs ${row.connection.to} --tail 5`,
  row =>
    `it starts with ${row.connection.serverCertificate.flag}: look at that file and at its key as Go would (trustplane verify, openssl x509 -text)`,
]

const refused: readonly HintMaker[] = [
  row => `the first thing that fails is ${name(row)}; the rest may follow from it`,
  row => {
    if (typeof row.expected === 'string') return name(row)
    const { refusedBy, layer } = row.expected
    const how =
      layer === 'authorization'
        ? 'by 403: it knows who is asking'
        : layer === 'authentication'
          ? 'by 401, after a handshake that went well'
          : 'inside the TLS handshake'
    const who = refusedBy === 'client' ? row.connection.from : row.connection.to
    return `the ${refusedBy}, ${who}, is who refuses, ${how}. Its own log has the better words: trustplane logs ${who}`
  },
  row => {
    const reason =
      typeof row.expected === 'object'
        ? reasons.find(one => one.reason === (row.expected as { reason?: string }).reason)
        : undefined
    return reason
      ? `${reason.summary}. What usually causes it: ${reason.cause}`
      : `compare the two ends: what does one show, and what does the other check it with?`
  },
  row => {
    const by = typeof row.expected === 'object' ? row.expected.refusedBy : 'client'
    const { clientCertificate, serverCertificate, clientTrust, serverTrust } = row.connection
    const shown = by === 'client' ? serverCertificate : clientCertificate
    const trust = by === 'client' ? clientTrust : serverTrust
    return `two things meet here: ${shown?.name ?? 'no certificate'} (${shown?.flag ?? 'none is given'}) and the bundle of ${trust?.flag ?? 'nothing'}. One of them is not what it was`
  },
]

/** The last hint is the way out; it says the cause as the scenario has it. */
const last: HintMaker = async (_, dir) => {
  const { title, fix } = await scenarioOf(requireDrill(dir))
  const layout = await layoutOf(dir, requireRunning(dir))
  return [title, ...fix.flatMap(step => waysOf(step, layout, dir))].join('\n')
}

/**
 * The next hint; counted. After the last, the last again.
 * @throws TrustplaneError TP_NOT_RUNNING
 */
export async function nextHint(dir: string): Promise<Hint> {
  const drill = requireDrill(dir)
  const [row] = redRows(await scenarioOf(drill))
  const makers = [...(typeof row!.expected === 'string' ? absent : refused), last]
  const number = Math.min(drill.hints + 1, makers.length)
  const text = await makers[number - 1]!(row!, dir)
  writeDrill(dir, { ...drill, hints: drill.hints + 1 })
  return { number, of: makers.length, text }
}
