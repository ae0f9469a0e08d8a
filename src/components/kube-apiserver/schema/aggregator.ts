/** kube-aggregator's APIService, whose package is not among the sources. */
import type { Schema } from './types.ts'

export const aggregator: Schema = {
  'apiregistration.v1.APIService': {
    d: 'APIService represents a server for a particular GroupVersion. Name must be "version.group".',
    g: ['apiregistration.k8s.io', 'v1', 'APIService'],
    f: {
      metadata: {
        i: 1,
        t: 'meta.v1.ObjectMeta',
        o: 1,
        d: "Standard object's metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata",
      },
      spec: {
        i: 2,
        t: 'apiregistration.v1.APIServiceSpec',
        o: 1,
        d: 'Spec contains information for locating and communicating with a server',
      },
      status: {
        i: 3,
        t: 'apiregistration.v1.APIServiceStatus',
        o: 1,
        d: 'Status contains derived information about an API server',
      },
    },
  },
  'apiregistration.v1.APIServiceSpec': {
    d: 'APIServiceSpec contains information for locating and communicating with a server. Only https is supported, though you are able to disable certificate verification.',
    f: {
      service: {
        i: 1,
        t: 'apiregistration.v1.ServiceReference',
        o: 1,
        d: 'Service is a reference to the service for this API server. If the Service is nil, that means the handling for the API groupversion is handled locally on this server.',
      },
      group: { i: 2, t: 'string', o: 1, d: 'Group is the API group name this server hosts' },
      version: { i: 3, t: 'string', o: 1, d: 'Version is the API version this server hosts. For example, "v1"' },
      insecureSkipTLSVerify: {
        i: 4,
        t: 'bool',
        o: 1,
        d: 'InsecureSkipTLSVerify disables TLS certificate verification when communicating with this server. This is strongly discouraged. You should use the CABundle instead.',
      },
      caBundle: {
        i: 5,
        t: 'bytes',
        o: 1,
        l: 'atomic',
        d: "CABundle is a PEM encoded CA bundle which will be used to validate an API server's serving certificate. If unspecified, system trust roots on the apiserver are used.",
      },
      groupPriorityMinimum: {
        i: 7,
        t: 'int32',
        d: 'GroupPriorityMinimum is the priority this group should have at least. Higher priority means that the group is preferred by clients over lower priority ones.',
      },
      versionPriority: {
        i: 8,
        t: 'int32',
        d: 'VersionPriority controls the ordering of this API version inside of its group. Must be greater than zero.',
      },
    },
  },
  'apiregistration.v1.ServiceReference': {
    d: 'ServiceReference holds a reference to Service.legacy.k8s.io',
    f: {
      namespace: { i: 1, t: 'string', o: 1, d: 'Namespace is the namespace of the service' },
      name: { i: 2, t: 'string', o: 1, d: 'Name is the name of the service' },
      port: {
        i: 3,
        t: 'int32',
        o: 1,
        d: 'If specified, the port on the service that hosting webhook. Default to 443 for backward compatibility. `port` should be a valid port number (1-65535, inclusive).',
      },
    },
  },
  'apiregistration.v1.APIServiceStatus': {
    d: 'APIServiceStatus contains derived information about an API server',
    f: {
      conditions: {
        i: 1,
        t: 'apiregistration.v1.APIServiceCondition',
        a: 1,
        o: 1,
        s: 'merge',
        k: 'type',
        l: 'map',
        lk: ['type'],
        d: 'Current service state of apiService.',
      },
    },
  },
  'apiregistration.v1.APIServiceCondition': {
    d: 'APIServiceCondition describes the state of an APIService at a particular point',
    f: {
      type: { i: 1, t: 'string', d: 'Type is the type of the condition.' },
      status: { i: 2, t: 'string', d: 'Status is the status of the condition. Can be True, False, Unknown.' },
      lastTransitionTime: {
        i: 3,
        t: 'meta.v1.Time',
        o: 1,
        d: 'Last time the condition transitioned from one status to another.',
      },
      reason: { i: 4, t: 'string', o: 1, d: "Unique, one-word, CamelCase reason for the condition's last transition." },
      message: { i: 5, t: 'string', o: 1, d: 'Human-readable message indicating details about last transition.' },
    },
  },
}
