import { parseDuration } from '#clock.ts'
import { changeAuthority, type Fault, startOver, text } from './fault.ts'

const tenYearsMs = 3650 * 86_400_000

export const expiredAuthority: Fault = {
  name: 'expired-authority',
  summary: 'an authority is past its notAfter, and everything that it signed with it',
  attributes: {
    authority: { kind: 'authority', description: 'Which one.' },
    ago: { kind: 'duration', description: 'Since when: `1d` is since this time yesterday.' },
  },
  apply(given, attributes) {
    const agoMs = parseDuration(text(attributes, 'ago'))
    changeAuthority(given, text(attributes, 'authority'), {
      // it was good for ten years, as kubeadm's are
      notBefore: `-${agoMs + tenYearsMs}ms`,
      notAfter: `-${agoMs}ms`,
    })
  },
  undo: startOver,
}
