/** The CustomResourceDefinitions of the kinds, as far as they are acted on, with cert-manager's columns. */
import type { Resource } from '#kubernetes/resources.ts'
import type { KubeObject } from '#kubernetes/types.ts'
import { certificateRequests, certificates, clusterIssuers, issuers } from './types.ts'
import { usageWords } from './usages.ts'

const text = { type: 'string' }
const textMap = { type: 'object', additionalProperties: text }
const texts = { type: 'array', items: text }
const moment = { type: 'string', format: 'date-time' }
const whole = { type: 'integer' }
const object = (properties: Record<string, object>, required: readonly string[] = []) => ({
  type: 'object',
  properties,
  ...(required.length > 0 ? { required } : {}),
})
const open = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }

const issuerRef = object({ name: text, kind: text, group: text }, ['name'])
const usages = { type: 'array', items: { type: 'string', enum: usageWords } }
const conditions = {
  type: 'array',
  items: object(
    {
      type: text,
      status: { type: 'string', enum: ['True', 'False', 'Unknown'] },
      reason: text,
      message: text,
      lastTransitionTime: moment,
      observedGeneration: whole,
    },
    ['type', 'status'],
  ),
}

const ready = { name: 'Ready', type: 'string', jsonPath: '.status.conditions[?(@.type == "Ready")].status' }
const status = {
  name: 'Status',
  type: 'string',
  priority: 1,
  jsonPath: '.status.conditions[?(@.type == "Ready")].message',
}
const age = { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' }
const issuerSpec = object({ ca: object({ secretName: text }, ['secretName']), selfSigned: open })

interface Row {
  resource: Resource
  shortNames?: readonly string[]
  spec: object
  status: Record<string, object>
  columns: readonly object[]
}

const rows: readonly Row[] = [
  {
    resource: certificates,
    shortNames: ['cert', 'certs'],
    spec: object(
      {
        secretName: text,
        issuerRef,
        commonName: text,
        subject: object({ organizations: texts }),
        dnsNames: texts,
        ipAddresses: texts,
        uris: texts,
        emailAddresses: texts,
        usages,
        isCA: { type: 'boolean' },
        duration: text,
        renewBefore: text,
        renewBeforePercentage: whole,
        revisionHistoryLimit: { type: 'integer', minimum: 1 },
        secretTemplate: object({ annotations: textMap, labels: textMap }),
        privateKey: object({
          algorithm: { type: 'string', enum: ['RSA', 'ECDSA', 'Ed25519'] },
          size: whole,
          rotationPolicy: { type: 'string', enum: ['Never', 'Always'] },
          encoding: { type: 'string', enum: ['PKCS1', 'PKCS8'] },
        }),
      },
      ['issuerRef', 'secretName'],
    ),
    status: {
      conditions,
      notBefore: moment,
      notAfter: moment,
      renewalTime: moment,
      revision: whole,
      nextPrivateKeySecretName: text,
      lastFailureTime: moment,
      failedIssuanceAttempts: whole,
    },
    columns: [
      ready,
      { name: 'Secret', type: 'string', jsonPath: '.spec.secretName' },
      { name: 'Issuer', type: 'string', priority: 1, jsonPath: '.spec.issuerRef.name' },
      status,
      age,
    ],
  },
  {
    resource: certificateRequests,
    shortNames: ['cr', 'crs'],
    spec: object(
      {
        request: { type: 'string', format: 'byte' },
        issuerRef,
        duration: text,
        isCA: { type: 'boolean' },
        usages,
        username: text,
        uid: text,
        groups: texts,
        extra: open,
      },
      ['issuerRef', 'request'],
    ),
    status: { conditions, certificate: text, ca: text, failureTime: moment },
    columns: [
      { name: 'Approved', type: 'string', jsonPath: '.status.conditions[?(@.type == "Approved")].status' },
      { name: 'Denied', type: 'string', jsonPath: '.status.conditions[?(@.type == "Denied")].status' },
      ready,
      { name: 'Issuer', type: 'string', jsonPath: '.spec.issuerRef.name' },
      { name: 'Requester', type: 'string', jsonPath: '.spec.username' },
      status,
      age,
    ],
  },
  { resource: issuers, spec: issuerSpec, status: { conditions }, columns: [ready, status, age] },
  { resource: clusterIssuers, spec: issuerSpec, status: { conditions }, columns: [ready, status, age] },
]

export const customResourceDefinitions = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  resource: 'customresourcedefinitions',
  kind: 'CustomResourceDefinition',
  namespaced: false,
} as const satisfies Resource

export const definitions: readonly KubeObject[] = rows.map(({ resource, shortNames, spec, status, columns }) => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: {
    name: `${resource.resource}.${resource.group}`,
    labels: { 'app.kubernetes.io/managed-by': 'trustplane' },
  },
  spec: {
    group: resource.group,
    scope: resource.namespaced ? 'Namespaced' : 'Cluster',
    names: {
      plural: resource.resource,
      kind: resource.kind,
      ...(shortNames ? { shortNames } : {}),
      categories: ['cert-manager'],
    },
    versions: [
      {
        name: resource.version,
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: { openAPIV3Schema: object({ spec, status: object(status) }, ['spec']) },
        additionalPrinterColumns: columns,
      },
    ],
  },
}))
