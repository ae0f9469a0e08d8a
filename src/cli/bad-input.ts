/** For commands whose exit statuses are diff(1)'s: what could not be looked at is 2, whatever the code says elsewhere. */
import { exitCodes, TrustplaneError } from '#errors.ts'

class BadInput extends TrustplaneError {
  override get exitCode(): number {
    return exitCodes.usage
  }
}

/** Runs `action`; its TrustplaneErrors exit with 2. */
export async function asBadInput<T>(action: () => Promise<T>): Promise<T> {
  try {
    return await action()
  } catch (error) {
    if (!(error instanceof TrustplaneError)) throw error
    const { code, message, fix, at, cause } = error
    throw new BadInput(code, message, {
      ...(fix ? { fix } : {}),
      ...(at ? { at } : {}),
      ...(cause === undefined ? {} : { cause }),
    })
  }
}
