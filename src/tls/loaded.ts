/** Tells the records what a listener or dialer holds of its files, at once and whenever that changed. */
import type { Clock } from '#clock.ts'
import type { BundleSource, End, IdentitySource, LoadedFile, RecordSink } from './types.ts'

interface Place {
  component: string
  records: RecordSink
  clock: Clock
  end: End
  from?: string
  to: string
}

interface Told {
  file?: string
  sha256: string[]
}

type Source = Pick<IdentitySource | BundleSource, 'reload' | 'onChange'>

/** @returns a function that stops it */
export const tellIdentity = (source: IdentitySource, place: Place): (() => void) =>
  tell(source, place, 'certificate', () => {
    const { file, chain } = source.current()
    return { ...(file ? { file } : {}), sha256: chain.map(certificate => certificate.sha256) }
  })

export const tellBundle = (source: BundleSource, place: Place): (() => void) =>
  tell(source, place, 'trust', () => {
    const { file, roots } = source.current()
    return { ...(file ? { file } : {}), sha256: roots.map(certificate => certificate.sha256) }
  })

function tell(source: Source, place: Place, use: LoadedFile['use'], read: () => Told): () => void {
  const { records, clock, component, end, from, to } = place
  if (!records.loaded) return () => {}
  const now = () => {
    let told: Told
    try {
      told = read()
    } catch {
      // a kubelet that waits for its first certificate, or a file that went bad: nothing new is held
      return
    }
    const { file, sha256 } = told
    if (!file) return
    records.loaded?.({
      time: clock.now().toISOString(),
      systemMs: Date.now(),
      pid: process.pid,
      component,
      end,
      ...(from ? { from } : {}),
      to,
      use,
      file,
      sha256,
      // embedded in a kubeconfig, or kept by a manager that writes its files itself
      reload: source.reload ?? 'start',
    })
  }
  now()
  return source.onChange(now)
}
