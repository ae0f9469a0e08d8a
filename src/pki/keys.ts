/** Private keys: made, and written as kubeadm writes them. */
import { generateKeyPair, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import type { KeyAlgorithm } from './types.ts'

const generate = promisify(generateKeyPair)

/** A new private key, made on the thread pool. */
export async function generateKey(algorithm: KeyAlgorithm): Promise<KeyObject> {
  const [kind, size = ''] = algorithm.split('-')
  switch (kind) {
    case 'RSA':
      return (await generate('rsa', { modulusLength: Number(size) })).privateKey
    case 'ECDSA':
      return (await generate('ec', { namedCurve: size.replace('P', 'P-') })).privateKey
    default:
      return (await generate('ed25519')).privateKey
  }
}

/** PEM as client-go's keyutil.MarshalPrivateKeyToPEM: `EC PRIVATE KEY` (SEC1), `RSA PRIVATE KEY` (PKCS#1), else PKCS#8. */
export function privateKeyPem(key: KeyObject): string {
  const type = key.asymmetricKeyType === 'ec' ? 'sec1' : key.asymmetricKeyType === 'rsa' ? 'pkcs1' : 'pkcs8'
  return key.export({ format: 'pem', type } as { format: 'pem'; type: 'pkcs8' }).toString()
}
