/** apiextensions.k8s.io/v1, as far as it is acted on. */

/** OpenAPI v3, structural: JSONSchemaProps. */
export interface StructuralSchema {
  type?: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean'
  description?: string
  properties?: Record<string, StructuralSchema>
  additionalProperties?: StructuralSchema | boolean
  items?: StructuralSchema
  required?: readonly string[]
  enum?: readonly unknown[]
  default?: unknown
  nullable?: boolean
  format?: string
  pattern?: string
  minLength?: number
  maxLength?: number
  minimum?: number
  maximum?: number
  minItems?: number
  maxItems?: number
  'x-kubernetes-preserve-unknown-fields'?: boolean
  'x-kubernetes-int-or-string'?: boolean
  'x-kubernetes-embedded-resource'?: boolean
}

export interface PrinterColumn {
  name: string
  type: 'string' | 'integer' | 'number' | 'boolean' | 'date'
  format?: string
  description?: string
  priority?: number
  jsonPath: string
}

export interface DefinitionVersion {
  name: string
  served: boolean
  storage: boolean
  schema?: { openAPIV3Schema?: StructuralSchema }
  subresources?: { status?: object }
  additionalPrinterColumns?: readonly PrinterColumn[]
}

interface DefinitionNames {
  plural: string
  singular?: string
  kind: string
  listKind?: string
  shortNames?: readonly string[]
  categories?: readonly string[]
}

export interface DefinitionSpec {
  group: string
  names: DefinitionNames
  scope: 'Namespaced' | 'Cluster'
  versions: readonly DefinitionVersion[]
}
