/** Timers and the monotonic clock of this process, in a time that passes only when nothing else can happen: the same seed gives the same run, however slow the machine. */
interface Timer {
  at: number
  order: number
  run: () => void
  every?: number
}

const real = {
  setTimeout,
  clearTimeout,
  setInterval,
  clearInterval,
  setImmediate,
  random: Math.random,
  timeout: AbortSignal.timeout,
}

export class VirtualTime {
  now = 0
  #timers: Timer[] = []
  #order = 0

  /** @param random for `Math.random`. @returns puts the real ones back */
  install(random: () => number): () => void {
    const handle = (timer: Timer) => Object.assign(timer, { unref: () => timer, ref: () => timer })
    const clear = (timer?: unknown) => {
      this.#timers = this.#timers.filter(other => other !== timer)
    }
    Object.assign(globalThis, {
      setTimeout: (run: () => void, ms = 0) => handle(this.after(ms, run)),
      setInterval: (run: () => void, ms: number) => handle(this.after(ms, run, ms)),
      clearTimeout: clear,
      clearInterval: clear,
    })
    Object.assign(performance, { now: () => this.now })
    Math.random = random
    AbortSignal.timeout = ms => {
      const controller = new AbortController()
      this.after(ms, () => controller.abort(new Error('timeout')))
      return controller.signal
    }
    return () => {
      const { setTimeout, clearTimeout, setInterval, clearInterval } = real
      Object.assign(globalThis, { setTimeout, clearTimeout, setInterval, clearInterval })
      Reflect.deleteProperty(performance, 'now')
      Math.random = real.random
      AbortSignal.timeout = real.timeout
    }
  }

  after(ms: number, run: () => void, every?: number): Timer {
    const timer: Timer = { at: this.now + ms, order: this.#order++, run, ...(every === undefined ? {} : { every }) }
    this.#timers.push(timer)
    return timer
  }

  sleep(ms: number): Promise<void> {
    return new Promise(resolve => void this.after(ms, resolve))
  }

  /** Lets it pass until `done` settles. @throws Error, when that takes longer than `mostMs` */
  async run<T>(done: Promise<T>, mostMs: number): Promise<T> {
    const end = this.now + mostMs
    const state = { settled: false }
    const settle = () => {
      state.settled = true
    }
    done.then(settle, settle)
    for (;;) {
      // all that promises lead to
      await new Promise(resolve => real.setImmediate(resolve))
      if (state.settled) return done
      let next: Timer | undefined
      for (const timer of this.#timers) {
        if (!next || timer.at < next.at || (timer.at === next.at && timer.order < next.order)) next = timer
      }
      if (!next || next.at > end) throw new Error(`not done after ${mostMs} ms of its time`)
      this.now = Math.max(this.now, next.at)
      if (next.every === undefined) this.#timers.splice(this.#timers.indexOf(next), 1)
      else Object.assign(next, { at: this.now + next.every, order: this.#order++ })
      next.run()
    }
  }
}
