/** Logs of the stand-ins: one JSON line an event, with the keys that the originals use. */
import { hostname } from 'node:os'
import { type DestinationStream, destination, type Logger as PinoLogger, pino } from 'pino'

/**
 * - `kubernetes`: as `--logging-format=json` of the Kubernetes binaries: ts (epoch milliseconds, float), msg, v | err
 * - `zap`: as etcd: level, ts (RFC 3339), msg, error
 */
type LogFormat = 'kubernetes' | 'zap'

export interface LogOptions {
  component: string
  format?: LogFormat
  /** klog verbosity (`--v`): lines of a higher v are not written. */
  verbosity?: number
  /** Where to write: a pino destination; default is stderr (file descriptor 2), unbuffered. */
  destination?: DestinationStream
}

/** A component's logger. `fields` must never hold a key, a token or a password. */
export interface Log {
  /** An event at klog verbosity `v` (0: always written). */
  info(message: string, fields?: Record<string, unknown>, v?: number): void
  warn(message: string, fields?: Record<string, unknown>): void
  /** `error` is the original's text for what went wrong. */
  error(message: string, error?: unknown, fields?: Record<string, unknown>): void
}

const textOf = (error: unknown) =>
  error instanceof Error ? error.message : error === undefined ? undefined : String(error)

export function createLog(options: LogOptions): Log {
  const { format = 'kubernetes', verbosity = 0 } = options
  // a full disk must not stop a component; what is lost is a line of its log
  const out = options.destination ?? destination({ fd: 2, sync: true }).on('error', () => {})
  const logger: PinoLogger =
    format === 'zap'
      ? pino(
          {
            base: null,
            messageKey: 'msg',
            timestamp: () => `,"ts":"${new Date().toISOString()}"`,
            formatters: { level: label => ({ level: label }) },
          },
          out,
        )
      : pino(
          // no comma before ts: without a level it is the first key
          { base: null, messageKey: 'msg', timestamp: () => `"ts":${Date.now()}`, formatters: { level: () => ({}) } },
          out,
        )
  return {
    info(message, fields = {}, v = 0) {
      if (v > verbosity) return
      logger.info(format === 'zap' ? fields : { ...fields, v }, message)
    },
    warn(message, fields = {}) {
      logger.warn(fields, message)
    },
    error(message, error, fields = {}) {
      logger.error({ ...fields, [format === 'zap' ? 'error' : 'err']: textOf(error) }, message)
    },
  }
}

/** A log that goes nowhere: the default of the library. */
export const silentLog: Log = { info() {}, warn() {}, error() {} }

/** This machine's name as the components use it for a node name: lower case. */
export const nodeName = () => hostname().toLowerCase()
