/** Ctrl-C and its kin, for commands that go on until they are told to stop. */

const statuses = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const

export interface Interrupt {
  /** Resolves with the exit status that a shell would give. */
  status: Promise<number>
  /** Aborted at the same time. */
  signal: AbortSignal
  /** The exit status, if it has come. */
  readonly received: number | undefined
  /** Gives the signals back their usual meaning. */
  release(): void
}

export function onInterrupt(): Interrupt {
  const abort = new AbortController()
  const { promise, resolve } = Promise.withResolvers<number>()
  let received: number | undefined
  const listeners = Object.entries(statuses).map(([name, status]) => {
    const listener = () => {
      // who asks twice is not waiting: the components stop by themselves when we are gone
      if (received !== undefined) process.exit(status)
      received = status
      abort.abort()
      resolve(status)
    }
    process.on(name, listener)
    return () => process.off(name, listener)
  })
  return {
    status: promise,
    signal: abort.signal,
    get received() {
      return received
    },
    release() {
      for (const off of listeners) off()
    },
  }
}
