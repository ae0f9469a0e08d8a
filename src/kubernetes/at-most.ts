/** A gate before connections: what goes over them waits for its turn, instead of having one opened each. */

/** Runs what it is given, `limit` at a time. @throws the signal's reason when it is aborted before its turn comes */
export function atMost(limit: number): <T>(action: () => Promise<T>, signal: AbortSignal | undefined) => Promise<T> {
  let free = limit
  const waiting = new Set<() => void>()
  const turn = (signal: AbortSignal | undefined) =>
    new Promise<void>((resolve, reject) => {
      const begin = () => {
        waiting.delete(begin)
        signal?.removeEventListener('abort', giveUp)
        resolve()
      }
      const giveUp = () => {
        waiting.delete(begin)
        reject(signal?.reason)
      }
      waiting.add(begin)
      signal?.addEventListener('abort', giveUp, { once: true })
    })
  return async (action, signal) => {
    signal?.throwIfAborted()
    if (free > 0) free--
    else await turn(signal)
    try {
      return await action()
    } finally {
      const [next] = waiting
      if (next) next()
      else free++
    }
  }
}
