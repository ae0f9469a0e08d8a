import { parseDuration } from '#clock.ts'
import { changeRow, type Fault, renewed, text } from './fault.ts'

const yearMs = 365 * 86_400_000

export const expiredCertificate: Fault = {
  name: 'expired-certificate',
  summary: 'a certificate is past its notAfter',
  attributes: {
    certificate: { kind: 'certificate', description: 'Which one.' },
    ago: { kind: 'duration', description: 'Since when: `1d` is since this time yesterday.' },
  },
  apply(given, attributes) {
    const agoMs = parseDuration(text(attributes, 'ago'))
    changeRow(given, text(attributes, 'certificate'), {
      // it was good for a year, as kubeadm's are
      notBefore: `-${agoMs + yearMs}ms`,
      notAfter: `-${agoMs}ms`,
    })
  },
  undo: renewed,
}
