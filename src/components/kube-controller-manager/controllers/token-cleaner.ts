/** token-cleaner-controller: bootstrap tokens go when they expire (pkg/controller/bootstrap/tokencleaner.go). */
import { tokenExpiry } from '#kubernetes/bootstrap-tokens.ts'
import { resources } from '#kubernetes/resources.ts'
import { isConflict, isNotFound } from '#kubernetes/status.ts'
import { WorkQueue } from '../../work-queue.ts'
import type { Controller, ControllerContext } from './controller.ts'

export function createTokenCleaner({ client, informers, log, clock }: ControllerContext): Controller {
  const { bootstrapTokens } = informers
  const queue = new WorkQueue({
    name: 'token_cleaner',
    log,
    clock,
    async sync(key) {
      const secret = bootstrapTokens.get(key)
      const expiry = secret && tokenExpiry(secret)
      if (!secret || expiry === undefined) return
      const leftMs = expiry - clock.now().getTime()
      if (leftMs > 0) return queue.addAfter(key, leftMs)
      const { name = '', namespace = '', uid } = secret.metadata
      log.info('Deleting expired secret', { secret: key }, 3)
      const preconditions = uid ? { preconditions: { uid } } : {}
      await client.delete(resources.secrets, { namespace, name }, preconditions).catch(error => {
        // another one of its name since then
        if (!isNotFound(error) && !isConflict(error)) throw error
      })
    },
  })
  const keyOf = ({ metadata }: { metadata: { namespace?: string; name?: string } }) =>
    `${metadata.namespace}/${metadata.name}`
  return {
    start() {
      bootstrapTokens
        .on('add', secret => queue.add(keyOf(secret)))
        .on('update', secret => queue.add(keyOf(secret)))
        .on('delete', secret => queue.forget(keyOf(secret)))
      for (const secret of bootstrapTokens.list()) queue.add(keyOf(secret))
    },
    stop: () => queue.stop(),
  }
}
