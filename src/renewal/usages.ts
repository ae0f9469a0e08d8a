/** cert-manager's key usages (the words of certificates.k8s.io) and RFC 5280's. */
import type { ExtKeyUsage, KeyUsage } from '#pki/types.ts'
import type { CertificateSpec } from './types.ts'

const keyUsages: Readonly<Record<string, KeyUsage>> = {
  signing: 'digitalSignature',
  'digital signature': 'digitalSignature',
  'content commitment': 'nonRepudiation',
  'key encipherment': 'keyEncipherment',
  'key agreement': 'keyAgreement',
  'data encipherment': 'dataEncipherment',
  'cert sign': 'keyCertSign',
  'crl sign': 'cRLSign',
  'encipher only': 'encipherOnly',
  'decipher only': 'decipherOnly',
}

const extKeyUsages: Readonly<Record<string, ExtKeyUsage>> = {
  any: 'anyExtendedKeyUsage',
  'server auth': 'serverAuth',
  'client auth': 'clientAuth',
  'code signing': 'codeSigning',
  'email protection': 'emailProtection',
  's/mime': 'emailProtection',
  timestamping: 'timeStamping',
  'ocsp signing': 'OCSPSigning',
}

/** In a Certificate's schema. */
export const usageWords: readonly string[] = [...Object.keys(keyUsages), ...Object.keys(extKeyUsages)]

const usual = ['digital signature', 'key encipherment']

/** What a Certificate asks for: DefaultKeyUsages when it names none; a CA can sign. */
export function usagesOf({ usages, isCA }: Pick<CertificateSpec, 'usages' | 'isCA'>): string[] {
  const given = usages?.length ? usages : usual
  return isCA && !given.includes('cert sign') ? [...given, 'cert sign'] : [...given]
}

/** @throws Error for a word that is none */
export function parseUsages(words: readonly string[]): { keyUsages: KeyUsage[]; extKeyUsages: ExtKeyUsage[] } {
  const unknown = words.find(word => !keyUsages[word] && !extKeyUsages[word])
  if (unknown !== undefined) throw new Error(`unknown key usage: ${unknown}`)
  const known = <T>(table: Readonly<Record<string, T>>) => [
    ...new Set(words.flatMap(word => (table[word] === undefined ? [] : [table[word]]))),
  ]
  return { keyUsages: known(keyUsages), extKeyUsages: known(extKeyUsages) }
}

/** From RFC 5280's words, for a Certificate made of one that is there. */
export const wordsOf = (usages: { keyUsages: readonly string[]; extKeyUsages: readonly string[] }): string[] => [
  ...wordsIn(keyUsages, usages.keyUsages).filter(word => word !== 'signing'),
  ...wordsIn(extKeyUsages, usages.extKeyUsages).filter(word => word !== 's/mime'),
]

const wordsIn = (table: Readonly<Record<string, string>>, wanted: readonly string[]) =>
  Object.keys(table).filter(word => wanted.includes(table[word]!))
