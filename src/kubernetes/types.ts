/** The API's objects, as far as trustplane uses them. Field names are Kubernetes' own; times are RFC 3339 strings. */

export interface OwnerReference {
  apiVersion: string
  kind: string
  name: string
  uid: string
  controller?: boolean
  blockOwnerDeletion?: boolean
}

export interface ObjectMeta {
  name?: string
  generateName?: string
  namespace?: string
  uid?: string
  resourceVersion?: string
  generation?: number
  creationTimestamp?: string | null
  deletionTimestamp?: string
  deletionGracePeriodSeconds?: number
  labels?: Record<string, string>
  annotations?: Record<string, string>
  ownerReferences?: OwnerReference[]
  finalizers?: string[]
  managedFields?: unknown[]
}

export interface KubeObject {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
}

/** An object whose fields nobody here knows. */
export type Unstructured = KubeObject & Record<string, unknown>

interface ListMeta {
  resourceVersion?: string
  continue?: string
  remainingItemCount?: number
}

export interface List<T extends KubeObject = KubeObject> {
  apiVersion?: string
  kind?: string
  metadata: ListMeta
  items: T[]
}

export interface WatchEvent<T extends KubeObject = KubeObject> {
  type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK'
  object: T
}

export interface StatusCause {
  reason?: string
  message?: string
  field?: string
}

export interface StatusDetails {
  name?: string
  group?: string
  kind?: string
  uid?: string
  causes?: StatusCause[]
  retryAfterSeconds?: number
}

/** The body of every answer that is not an object, in the order in which the original writes its fields. */
export interface Status {
  kind: 'Status'
  apiVersion: 'v1'
  metadata: ListMeta
  status: 'Success' | 'Failure'
  message?: string
  reason?: string
  details?: StatusDetails
  code?: number
}

export interface LabelSelector {
  matchLabels?: Record<string, string>
  matchExpressions?: { key: string; operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist'; values?: string[] }[]
}

export interface Condition {
  type: string
  status: 'True' | 'False' | 'Unknown'
  reason?: string
  message?: string
  lastTransitionTime?: string
  lastHeartbeatTime?: string
  lastUpdateTime?: string
  lastProbeTime?: string | null
  observedGeneration?: number
}

export interface ObjectReference {
  apiVersion?: string
  kind?: string
  namespace?: string
  name?: string
  uid?: string
  resourceVersion?: string
  fieldPath?: string
}

export interface Namespace extends KubeObject {
  spec?: { finalizers?: string[] }
  status?: { phase?: 'Active' | 'Terminating'; conditions?: Condition[] }
}

interface NodeAddress {
  type: 'Hostname' | 'InternalIP' | 'ExternalIP' | 'InternalDNS' | 'ExternalDNS'
  address: string
}

export interface Taint {
  key: string
  value?: string
  effect: 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute'
  timeAdded?: string
}

export interface Node extends KubeObject {
  spec?: {
    podCIDR?: string
    podCIDRs?: string[]
    providerID?: string
    unschedulable?: boolean
    taints?: Taint[]
  }
  status?: {
    capacity?: Record<string, string>
    allocatable?: Record<string, string>
    conditions?: Condition[]
    addresses?: NodeAddress[]
    daemonEndpoints?: { kubeletEndpoint?: { Port: number } }
    nodeInfo?: Record<string, string>
    images?: { names?: string[]; sizeBytes?: number }[]
  }
}

interface Volume {
  name: string
  secret?: { secretName?: string }
  configMap?: { name?: string }
  persistentVolumeClaim?: { claimName: string }
  projected?: {
    sources?: {
      secret?: { name?: string }
      configMap?: { name?: string }
      serviceAccountToken?: { path: string; audience?: string; expirationSeconds?: number }
    }[]
  }
  [source: string]: unknown
}

export interface Container {
  name: string
  image?: string
  command?: string[]
  args?: string[]
  ports?: { containerPort: number; name?: string; protocol?: string }[]
  env?: {
    name: string
    value?: string
    valueFrom?: { secretKeyRef?: { name?: string; key: string }; configMapKeyRef?: { name?: string; key: string } }
  }[]
  envFrom?: { secretRef?: { name?: string }; configMapRef?: { name?: string } }[]
  resources?: { requests?: Record<string, string>; limits?: Record<string, string> }
  volumeMounts?: { name: string; mountPath: string; readOnly?: boolean }[]
  [field: string]: unknown
}

export interface PodSpec {
  nodeName?: string
  nodeSelector?: Record<string, string>
  schedulerName?: string
  serviceAccountName?: string
  serviceAccount?: string
  containers: Container[]
  initContainers?: Container[]
  volumes?: Volume[]
  imagePullSecrets?: { name?: string }[]
  tolerations?: { key?: string; operator?: string; value?: string; effect?: string; tolerationSeconds?: number }[]
  restartPolicy?: string
  terminationGracePeriodSeconds?: number
  hostNetwork?: boolean
  [field: string]: unknown
}

export interface ContainerStatus {
  name: string
  ready: boolean
  started?: boolean
  restartCount: number
  image?: string
  imageID?: string
  containerID?: string
  state?: Record<string, Record<string, unknown>>
  lastState?: Record<string, Record<string, unknown>>
}

export interface Pod extends KubeObject {
  spec: PodSpec
  status?: {
    phase?: 'Pending' | 'Running' | 'Succeeded' | 'Failed' | 'Unknown'
    conditions?: Condition[]
    hostIP?: string
    hostIPs?: { ip: string }[]
    podIP?: string
    podIPs?: { ip: string }[]
    startTime?: string
    qosClass?: string
    reason?: string
    message?: string
    containerStatuses?: ContainerStatus[]
    initContainerStatuses?: ContainerStatus[]
  }
}

export interface Service extends KubeObject {
  spec?: {
    type?: string
    clusterIP?: string
    clusterIPs?: string[]
    selector?: Record<string, string>
    ports?: { name?: string; protocol?: string; port: number; targetPort?: number | string; nodePort?: number }[]
    [field: string]: unknown
  }
  status?: Record<string, unknown>
}

export interface Endpoints extends KubeObject {
  subsets?: unknown[]
}

export interface Secret extends KubeObject {
  type?: string
  /** Base64. */
  data?: Record<string, string>
  stringData?: Record<string, string>
  immutable?: boolean
}

export interface ConfigMap extends KubeObject {
  data?: Record<string, string>
  binaryData?: Record<string, string>
  immutable?: boolean
}

export interface ServiceAccount extends KubeObject {
  secrets?: ObjectReference[]
  imagePullSecrets?: { name?: string }[]
  automountServiceAccountToken?: boolean
}

export interface Event extends KubeObject {
  involvedObject: ObjectReference
  reason?: string
  message?: string
  type?: string
  source?: { component?: string; host?: string }
  firstTimestamp?: string | null
  lastTimestamp?: string | null
  eventTime?: string | null
  count?: number
  reportingComponent?: string
  reportingInstance?: string
  action?: string
}

export interface Lease extends KubeObject {
  spec?: {
    holderIdentity?: string
    leaseDurationSeconds?: number
    /** RFC 3339 with microseconds. */
    acquireTime?: string
    renewTime?: string
    leaseTransitions?: number
  }
}

export interface PodTemplateSpec {
  metadata?: ObjectMeta
  spec: PodSpec
}

export interface ReplicaSet extends KubeObject {
  spec: { replicas?: number; selector: LabelSelector; template?: PodTemplateSpec; minReadySeconds?: number }
  status?: {
    replicas: number
    fullyLabeledReplicas?: number
    readyReplicas?: number
    availableReplicas?: number
    observedGeneration?: number
    conditions?: Condition[]
  }
}

export interface Deployment extends KubeObject {
  spec: {
    replicas?: number
    selector: LabelSelector
    template: PodTemplateSpec
    strategy?: {
      type?: string
      rollingUpdate?: { maxUnavailable?: number | string; maxSurge?: number | string }
    }
    revisionHistoryLimit?: number
    progressDeadlineSeconds?: number
    minReadySeconds?: number
    paused?: boolean
  }
  status?: {
    replicas?: number
    updatedReplicas?: number
    readyReplicas?: number
    availableReplicas?: number
    unavailableReplicas?: number
    observedGeneration?: number
    conditions?: Condition[]
    collisionCount?: number
  }
}

export interface EndpointSlice extends KubeObject {
  addressType: 'IPv4' | 'IPv6' | 'FQDN'
  endpoints: {
    addresses: string[]
    conditions?: { ready?: boolean; serving?: boolean; terminating?: boolean }
    nodeName?: string
    targetRef?: ObjectReference
  }[]
  ports?: { name?: string; protocol?: string; port?: number }[]
}

export interface CertificateSigningRequest extends KubeObject {
  spec: {
    /** Base64 of the PEM. */
    request: string
    signerName: string
    usages?: string[]
    expirationSeconds?: number
    username?: string
    uid?: string
    groups?: string[]
    extra?: Record<string, string[]>
  }
  status?: { conditions?: Condition[]; certificate?: string }
}

export interface PolicyRule {
  verbs: string[]
  apiGroups?: string[]
  resources?: string[]
  resourceNames?: string[]
  nonResourceURLs?: string[]
}

export interface Role extends KubeObject {
  rules?: PolicyRule[] | null
}

export interface ClusterRole extends KubeObject {
  rules?: PolicyRule[] | null
  aggregationRule?: { clusterRoleSelectors?: LabelSelector[] }
}

export interface Subject {
  kind: string
  apiGroup?: string
  name: string
  namespace?: string
}

export interface RoleBinding extends KubeObject {
  subjects?: Subject[]
  roleRef: { apiGroup: string; kind: string; name: string }
}

export type ClusterRoleBinding = RoleBinding

export interface APIService extends KubeObject {
  spec: {
    group?: string
    version?: string
    service?: { namespace?: string; name?: string; port?: number }
    caBundle?: string
    insecureSkipTLSVerify?: boolean
    groupPriorityMinimum: number
    versionPriority: number
  }
  status?: { conditions?: Condition[] }
}

export type Extra = Record<string, string[]>

/** Who is asking. `extra` keys are lower case. */
export interface UserInfo {
  username: string
  uid?: string
  groups: readonly string[]
  extra?: Readonly<Extra>
}

export interface TokenReview extends KubeObject {
  spec: { token?: string; audiences?: string[] }
  status?: {
    authenticated?: boolean
    user?: { username?: string; uid?: string; groups?: string[]; extra?: Extra }
    audiences?: string[]
    error?: string
  }
}

export interface ResourceAttributes {
  namespace?: string
  verb?: string
  group?: string
  version?: string
  resource?: string
  subresource?: string
  name?: string
}

export interface SubjectAccessReview extends KubeObject {
  spec: {
    resourceAttributes?: ResourceAttributes
    nonResourceAttributes?: { path?: string; verb?: string }
    user?: string
    groups?: string[]
    uid?: string
    extra?: Extra
  }
  status?: { allowed: boolean; denied?: boolean; reason?: string; evaluationError?: string }
}

export interface TokenRequest extends KubeObject {
  spec: { audiences?: string[]; expirationSeconds?: number; boundObjectRef?: ObjectReference | null }
  status?: { token: string; expirationTimestamp: string }
}
