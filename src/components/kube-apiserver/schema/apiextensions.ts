/** apiextensions-apiserver's CustomResourceDefinition, whose package is not among the sources. A schema in it is any JSON. */
import type { Schema } from './types.ts'

const group = 'apiextensions.v1'
const any = 'runtime.RawExtension'

export const apiextensions: Schema = {
  [`${group}.CustomResourceDefinition`]: {
    d: 'CustomResourceDefinition represents a resource that should be exposed on the API server. Its name MUST be in the format <.spec.name>.<.spec.group>.',
    g: ['apiextensions.k8s.io', 'v1', 'CustomResourceDefinition'],
    f: {
      metadata: { i: 1, t: 'meta.v1.ObjectMeta', o: 1, d: "Standard object's metadata" },
      spec: {
        i: 2,
        t: `${group}.CustomResourceDefinitionSpec`,
        d: 'spec describes how the user wants the resources to appear',
      },
      status: {
        i: 3,
        t: `${group}.CustomResourceDefinitionStatus`,
        o: 1,
        d: 'status indicates the actual state of the CustomResourceDefinition',
      },
    },
  },
  [`${group}.CustomResourceDefinitionSpec`]: {
    d: 'CustomResourceDefinitionSpec describes how a user wants their resource to appear',
    f: {
      group: { i: 1, t: 'string', d: 'group is the API group of the defined custom resource.' },
      names: {
        i: 3,
        t: `${group}.CustomResourceDefinitionNames`,
        d: 'names specify the resource and kind names for the custom resource.',
      },
      scope: { i: 4, t: 'string', d: 'scope is Cluster or Namespaced.' },
      versions: {
        i: 7,
        t: `${group}.CustomResourceDefinitionVersion`,
        a: 1,
        l: 'atomic',
        d: 'versions is the list of all API versions of the defined custom resource.',
      },
      conversion: {
        i: 9,
        t: `${group}.CustomResourceConversion`,
        o: 1,
        d: 'conversion defines conversion settings for the CRD.',
      },
      preserveUnknownFields: {
        i: 10,
        t: 'bool',
        o: 1,
        d: 'preserveUnknownFields is deprecated: set x-kubernetes-preserve-unknown-fields in the schema instead.',
      },
    },
  },
  [`${group}.CustomResourceDefinitionNames`]: {
    d: 'CustomResourceDefinitionNames indicates the names to serve this CustomResourceDefinition',
    f: {
      plural: { i: 1, t: 'string', d: 'plural is the plural name of the resource to serve, all lowercase.' },
      singular: { i: 2, t: 'string', o: 1, d: 'singular is the singular name of the resource.' },
      shortNames: { i: 3, t: 'string', a: 1, o: 1, l: 'atomic', d: 'shortNames are short names for the resource.' },
      kind: { i: 4, t: 'string', d: 'kind is the serialized kind of the resource, normally CamelCase and singular.' },
      listKind: { i: 5, t: 'string', o: 1, d: 'listKind is the serialized kind of the list for this resource.' },
      categories: {
        i: 6,
        t: 'string',
        a: 1,
        o: 1,
        l: 'atomic',
        d: 'categories is a list of grouped resources this custom resource belongs to (e.g. all).',
      },
    },
  },
  [`${group}.CustomResourceDefinitionVersion`]: {
    d: 'CustomResourceDefinitionVersion describes a version for CRD.',
    f: {
      name: { i: 1, t: 'string', d: 'name is the version name, e.g. v1, v2beta1.' },
      served: { i: 2, t: 'bool', d: 'served is a flag enabling or disabling this version from being served.' },
      storage: { i: 3, t: 'bool', d: 'storage indicates that this version should be used when persisting.' },
      schema: {
        i: 4,
        t: `${group}.CustomResourceValidation`,
        o: 1,
        d: 'schema describes the schema used for validation, pruning, and defaulting.',
      },
      subresources: {
        i: 5,
        t: `${group}.CustomResourceSubresources`,
        o: 1,
        d: 'subresources specify what subresources this version of the defined custom resource have.',
      },
      additionalPrinterColumns: {
        i: 6,
        t: `${group}.CustomResourceColumnDefinition`,
        a: 1,
        o: 1,
        l: 'atomic',
        d: 'additionalPrinterColumns specifies additional columns returned in Table output.',
      },
      deprecated: {
        i: 7,
        t: 'bool',
        o: 1,
        d: 'deprecated indicates this version of the custom resource is deprecated.',
      },
      deprecationWarning: {
        i: 8,
        t: 'string',
        o: 1,
        d: 'deprecationWarning overrides the default warning returned to API clients.',
      },
      selectableFields: {
        i: 9,
        t: any,
        a: 1,
        o: 1,
        l: 'atomic',
        d: 'selectableFields specifies paths to fields that may be used as field selectors.',
      },
    },
  },
  [`${group}.CustomResourceValidation`]: {
    d: 'CustomResourceValidation is a list of validation methods for CustomResources.',
    f: {
      openAPIV3Schema: {
        i: 1,
        t: any,
        o: 1,
        d: 'openAPIV3Schema is the OpenAPI v3 schema to use for validation and pruning.',
      },
    },
  },
  [`${group}.CustomResourceSubresources`]: {
    d: 'CustomResourceSubresources defines the status and scale subresources for CustomResources.',
    f: {
      status: { i: 1, t: any, o: 1, d: 'status indicates the custom resource should serve a /status subresource.' },
      scale: { i: 2, t: any, o: 1, d: 'scale indicates the custom resource should serve a /scale subresource.' },
    },
  },
  [`${group}.CustomResourceColumnDefinition`]: {
    d: 'CustomResourceColumnDefinition specifies a column for server side printing.',
    f: {
      name: { i: 1, t: 'string', d: 'name is a human readable name for the column.' },
      type: { i: 2, t: 'string', d: 'type is an OpenAPI type definition for this column.' },
      format: { i: 3, t: 'string', o: 1, d: 'format is an optional OpenAPI type definition for this column.' },
      description: { i: 4, t: 'string', o: 1, d: 'description is a human readable description of this column.' },
      priority: {
        i: 5,
        t: 'int32',
        o: 1,
        d: 'priority is an integer defining the relative importance of this column.',
      },
      jsonPath: { i: 6, t: 'string', d: 'jsonPath is a simple JSON path evaluated against each custom resource.' },
    },
  },
  [`${group}.CustomResourceConversion`]: {
    d: 'CustomResourceConversion describes how to convert different versions of a CR.',
    f: {
      strategy: { i: 1, t: 'string', d: 'strategy specifies how custom resources are converted: None or Webhook.' },
      webhook: { i: 2, t: any, o: 1, d: 'webhook describes how to call the conversion webhook.' },
    },
  },
  [`${group}.CustomResourceDefinitionStatus`]: {
    d: 'CustomResourceDefinitionStatus indicates the state of the CustomResourceDefinition',
    f: {
      conditions: {
        i: 1,
        t: `${group}.CustomResourceDefinitionCondition`,
        a: 1,
        o: 1,
        l: 'map',
        lk: ['type'],
        d: 'conditions indicate state for particular aspects of a CustomResourceDefinition',
      },
      acceptedNames: {
        i: 2,
        t: `${group}.CustomResourceDefinitionNames`,
        o: 1,
        d: 'acceptedNames are the names that are actually being used to serve discovery.',
      },
      storedVersions: {
        i: 3,
        t: 'string',
        a: 1,
        o: 1,
        l: 'atomic',
        d: 'storedVersions lists all versions of CustomResources that were ever persisted.',
      },
    },
  },
  [`${group}.CustomResourceDefinitionCondition`]: {
    d: 'CustomResourceDefinitionCondition contains details for the current condition of this pod.',
    f: {
      type: { i: 1, t: 'string', d: 'type is the type of the condition: Established, NamesAccepted and Terminating.' },
      status: { i: 2, t: 'string', d: 'status is the status of the condition: True, False, Unknown.' },
      lastTransitionTime: {
        i: 3,
        t: 'meta.v1.Time',
        o: 1,
        d: 'lastTransitionTime last time the condition transitioned.',
      },
      reason: { i: 4, t: 'string', o: 1, d: 'reason is a unique, one-word, CamelCase reason for the last transition.' },
      message: { i: 5, t: 'string', o: 1, d: 'message is a human-readable message about the last transition.' },
    },
  },
}
