/** Every fault, by its name in scenario files. */

import { expiredAuthority } from './expired-authority.ts'
import { expiredCertificate } from './expired-certificate.ts'
import type { Fault } from './fault.ts'
import { foreignKey } from './foreign-key.ts'
import { formerIssuer } from './former-issuer.ts'
import { missingIntermediate } from './missing-intermediate.ts'
import { narrowConstraint } from './narrow-constraint.ts'
import { noVerification } from './no-verification.ts'
import { notAnAuthority } from './not-an-authority.ts'
import { notYetValidCertificate } from './not-yet-valid-certificate.ts'
import { readableKey } from './readable-key.ts'
import { repeatedNames } from './repeated-names.ts'
import { revokedCertificate } from './revoked-certificate.ts'
import { shortPath } from './short-path.ts'
import { staleKubeconfig } from './stale-kubeconfig.ts'
import { unknownExtension } from './unknown-extension.ts'
import { weakKey } from './weak-key.ts'
import { weakSignature } from './weak-signature.ts'
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
  expiredAuthority,
  foreignKey,
  formerIssuer,
  missingIntermediate,
  narrowConstraint,
  noVerification,
  notAnAuthority,
  readableKey,
  repeatedNames,
  revokedCertificate,
  shortPath,
  staleKubeconfig,
  unknownExtension,
  weakKey,
  weakSignature,
]

export const findFault = (name: string): Fault | undefined => faults.find(fault => fault.name === name)
