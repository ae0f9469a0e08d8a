/**
 * Every error that trustplane itself raises: a code to match on, what failed and where, and the next step.
 * A refused handshake is a result, not an error; it is never one of these.
 */

/** Exit codes, per docs/cli.md. */
export const exitCodes = {
  ok: 0,
  findings: 1,
  usage: 2,
  invalidInput: 3,
  environment: 4,
  notFound: 5,
  timeout: 6,
  internal: 70,
} as const

/** What each code means, in general; the instance says what and where. Codes are never reused. */
export const errorCodes = {
  // usage
  TP_USAGE: { exit: 'usage', summary: 'a command or flag is not as the help says' },
  TP_FLAG_UNKNOWN: { exit: 'usage', summary: 'a flag that the component does not have' },
  TP_FLAG_INVALID: { exit: 'usage', summary: 'a flag whose value is not of its type' },
  TP_NAME_UNKNOWN: { exit: 'usage', summary: 'a command, component, certificate or scenario name that does not exist' },
  // files and input
  TP_INPUT_INVALID: { exit: 'invalidInput', summary: 'a file or document does not validate' },
  TP_FILE_UNREADABLE: { exit: 'environment', summary: 'a file cannot be read or written' },
  TP_PEM_INVALID: { exit: 'invalidInput', summary: 'a PEM file that its original would not start with' },
  // pki
  TP_PKI_EXISTS: { exit: 'findings', summary: 'a key or certificate is there already' },
  TP_PKI_CA_KEY_MISSING: { exit: 'notFound', summary: 'the CA key needed to sign a certificate is missing' },
  TP_PKI_MISSING: { exit: 'notFound', summary: 'a file of the PKI is missing' },
  TP_PKI_LOCKED: { exit: 'environment', summary: 'another process is writing this PKI' },
  TP_PLAN_INVALID: { exit: 'invalidInput', summary: 'a PKI plan does not validate' },
  // environment
  TP_NODE_TOO_OLD: { exit: 'environment', summary: 'this Node is older than trustplane needs' },
  TP_PORT_IN_USE: { exit: 'environment', summary: 'a port to listen on is taken' },
  TP_DATA_DIR_IN_USE: { exit: 'environment', summary: "another process uses etcd's data directory" },
  TP_DATA_DIR_INVALID: { exit: 'invalidInput', summary: "etcd's data directory holds what cannot be read" },
  TP_PROGRAM_MISSING: { exit: 'environment', summary: 'a program that was asked for is not on this machine' },
  // mesh
  TP_NOT_RUNNING: { exit: 'notFound', summary: 'no mesh is running in this state directory' },
  TP_ALREADY_RUNNING: { exit: 'environment', summary: 'a mesh is running in this state directory already' },
  TP_COMPONENT_DIED: { exit: 'findings', summary: 'a component stopped by itself' },
  TP_TIMEOUT: { exit: 'timeout', summary: 'a state was not reached within its time' },
  // scenarios
  TP_SCENARIO_INVALID: { exit: 'invalidInput', summary: 'a scenario file does not validate' },
  TP_SCENARIO_FAILED: { exit: 'findings', summary: 'a step of a scenario could not be done' },
  // rehearsals
  TP_REHEARSAL_INVALID: { exit: 'invalidInput', summary: "a rehearsal's file does not validate" },
  TP_REHEARSAL_STOPPED: { exit: 'findings', summary: 'a step of a rehearsal could not be done' },
  // bugs
  TP_INTERNAL: { exit: 'internal', summary: 'a bug in trustplane' },
} as const satisfies Record<string, { exit: keyof typeof exitCodes; summary: string }>

export type ErrorCode = keyof typeof errorCodes

export interface ErrorDetails {
  /** The next step, as a sentence or a command. */
  fix?: string
  /** Where: a file with line and column when there is one. */
  at?: { file: string; line?: number; column?: number }
  cause?: unknown
}

/** An error for people: `message` says what and where, `fix` what to do; `code` is for programs. */
export class TrustplaneError extends Error {
  override readonly name = 'TrustplaneError'
  readonly code: ErrorCode
  readonly fix: string | undefined
  readonly at: ErrorDetails['at']

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.fix = details.fix
    this.at = details.at
  }

  /** The process's exit status for this error. */
  get exitCode(): number {
    return exitCodes[errorCodes[this.code].exit]
  }
}

/** `message` of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** What the disk is to blame for, by the system's code: what is wrong with it, and what helps. */
const diskTroubles: Readonly<Record<string, { what: string; fix: string }>> = {
  ENOSPC: { what: 'no space is left on the disk', fix: 'make room on it' },
  EDQUOT: { what: 'this user has no space left on the disk', fix: 'make room on it' },
  EFBIG: { what: 'a file may not grow so large', fix: 'raise the limit (`ulimit -f`)' },
  EROFS: { what: 'the disk is read-only', fix: 'mount it so that it can be written to' },
  EIO: { what: 'the disk does not work', fix: 'look at the system log' },
}

/** Undefined for an error that the disk is not to blame for. */
export const diskTrouble = (error: unknown): { what: string; fix: string } | undefined =>
  diskTroubles[(error as NodeJS.ErrnoException | undefined)?.code ?? '']

/** The known word nearest to `word` (edit distance at most a third of its length, at least 1; neighbours that changed places count once), or undefined. */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  let best: string | undefined
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1
  for (const candidate of known) {
    const distance = editDistance(word, candidate)
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/** Levenshtein distance in which two neighbours that changed places (`titel`) count once. */
function editDistance(a: string, b: string): number {
  let before: number[] = []
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      next.push(
        Math.min(
          row[j]! + 1,
          next[j - 1]! + 1,
          row[j - 1]! + cost,
          swapped ? before[j - 2]! + 1 : Number.POSITIVE_INFINITY,
        ),
      )
    }
    before = row
    row = next
  }
  return row[b.length]!
}
