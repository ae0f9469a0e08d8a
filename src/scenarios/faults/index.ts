/** Every fault, by its name in scenario files. */
import { expiredCertificate } from './expired-certificate.ts'
import type { Fault } from './fault.ts'
import { notYetValidCertificate } from './not-yet-valid-certificate.ts'
import { wrongClock } from './wrong-clock.ts'
import { wrongFlag } from './wrong-flag.ts'
import { wrongIssuer } from './wrong-issuer.ts'
import { wrongNames } from './wrong-names.ts'
import { wrongSubject } from './wrong-subject.ts'
import { wrongTrust } from './wrong-trust.ts'
import { wrongUsages } from './wrong-usages.ts'

export const faults: readonly Fault[] = [
  expiredCertificate,
  notYetValidCertificate,
  wrongIssuer,
  wrongNames,
  wrongUsages,
  wrongSubject,
  wrongTrust,
  wrongFlag,
  wrongClock,
]

export const findFault = (name: string): Fault | undefined => faults.find(fault => fault.name === name)
