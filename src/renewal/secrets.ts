/** The kubernetes.io/tls Secret that a Certificate ends in (internal/secretsmanager). */
import { X509Certificate } from 'node:crypto'
import type { Secret } from '#kubernetes/types.ts'
import { annotation, type Certificate, type CertificateRequest, group, issuerKind } from './types.ts'

/** @param key PEM */
export function secretFor({ metadata, spec }: Certificate, { status }: CertificateRequest, key: string): Secret {
  const pem = Buffer.from(status?.certificate ?? '', 'base64').toString('utf8')
  const names = (new X509Certificate(pem).subjectAltName ?? '').split(', ')
  const of = (prefix: string) =>
    names
      .filter(name => name.startsWith(prefix))
      .map(name => name.slice(prefix.length))
      .join(',')
  return {
    metadata: {
      name: spec.secretName,
      ...(metadata.namespace ? { namespace: metadata.namespace } : {}),
      labels: { ...spec.secretTemplate?.labels, 'controller.cert-manager.io/fao': 'true' },
      annotations: {
        ...spec.secretTemplate?.annotations,
        [annotation.altNames]: of('DNS:'),
        [annotation.certificateName]: metadata.name ?? '',
        [annotation.commonName]: spec.commonName ?? '',
        [annotation.ipSans]: of('IP Address:'),
        [annotation.issuerGroup]: spec.issuerRef.group || group,
        [annotation.issuerKind]: issuerKind(spec.issuerRef),
        [annotation.issuerName]: spec.issuerRef.name,
        [annotation.uriSans]: of('URI:'),
      },
    },
    type: 'kubernetes.io/tls',
    data: {
      'tls.crt': status?.certificate ?? '',
      'tls.key': Buffer.from(key).toString('base64'),
      ...(status?.ca ? { 'ca.crt': status.ca } : {}),
    },
  }
}
