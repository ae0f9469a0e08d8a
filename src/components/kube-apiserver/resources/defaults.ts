/** Defaults of pods and pod templates: SetDefaults_… of pkg/apis/core/v1/defaults.go. */

type Fields = Record<string, unknown>

/** Sets what is missing (undefined or null). */
export function fill(object: Fields, defaults: Fields): void {
  for (const [key, value] of Object.entries(defaults))
    if (object[key] === undefined || object[key] === null) object[key] = value
}

export const list = (value: unknown): Fields[] => (Array.isArray(value) ? (value as Fields[]) : [])

/** The object at `key`, made when it is missing. */
export function child(object: Fields, key: string): Fields {
  if (object[key] === undefined || object[key] === null || typeof object[key] !== 'object') object[key] = {}
  return object[key] as Fields
}

const probes = ['livenessProbe', 'readinessProbe', 'startupProbe']

/** Always for `:latest` and for no tag, IfNotPresent for the rest. */
function pullPolicy(image: unknown): string {
  if (typeof image !== 'string') return 'IfNotPresent'
  const tag = image.includes('@') ? 'digest' : /:([^/:]+)$/.exec(image)?.[1]
  return tag === undefined || tag === 'latest' ? 'Always' : 'IfNotPresent'
}

function containerDefaults(container: Fields): void {
  fill(container, {
    resources: {},
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File',
    imagePullPolicy: pullPolicy(container.image),
  })
  for (const port of list(container.ports)) fill(port, { protocol: 'TCP' })
  for (const variable of list(container.env)) {
    const field = (variable.valueFrom as Fields | undefined)?.fieldRef as Fields | undefined
    if (field) fill(field, { apiVersion: 'v1' })
  }
  for (const name of probes) {
    const probe = container[name] as Fields | undefined
    if (!probe) continue
    fill(probe, { timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3 })
    const http = probe.httpGet as Fields | undefined
    if (http) fill(http, { path: '/', scheme: 'HTTP' })
  }
  const { limits, requests } = container.resources as { limits?: Fields; requests?: Fields }
  if (limits) (container.resources as Fields).requests = { ...limits, ...requests }
}

/** Default file modes of volumes: 0644. */
const modes = ['secret', 'configMap', 'downwardAPI', 'projected']

function volumeDefaults(volume: Fields): void {
  const sources = Object.keys(volume).filter(key => key !== 'name')
  if (sources.length === 0) volume.emptyDir = {}
  for (const source of modes) if (volume[source]) fill(volume[source] as Fields, { defaultMode: 420 })
  for (const source of list((volume.projected as Fields | undefined)?.sources)) {
    if (source.serviceAccountToken) fill(source.serviceAccountToken as Fields, { expirationSeconds: 3600 })
    for (const item of list((source.downwardAPI as Fields | undefined)?.items))
      if (item.fieldRef) fill(item.fieldRef as Fields, { apiVersion: 'v1' })
  }
  if (volume.hostPath) fill(volume.hostPath as Fields, { type: '' })
}

/** Of a pod's spec and of a template's. */
export function podSpecDefaults(spec: Fields): void {
  fill(spec, {
    restartPolicy: 'Always',
    terminationGracePeriodSeconds: 30,
    dnsPolicy: 'ClusterFirst',
    securityContext: {},
    schedulerName: 'default-scheduler',
  })
  // The deprecated twin of serviceAccountName, kept in step with it.
  if (typeof spec.serviceAccountName === 'string') spec.serviceAccount = spec.serviceAccountName
  else if (typeof spec.serviceAccount === 'string') spec.serviceAccountName = spec.serviceAccount
  for (const container of [...list(spec.containers), ...list(spec.initContainers)]) containerDefaults(container)
  for (const volume of list(spec.volumes)) volumeDefaults(volume)
  if (spec.hostNetwork === true) {
    for (const container of list(spec.containers))
      for (const port of list(container.ports)) fill(port, { hostPort: port.containerPort })
  }
}
