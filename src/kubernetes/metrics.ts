/**
 * Metrics under the originals' names. Counting is a Map look-up; prom-client, which takes its time to load,
 * comes in with the first scrape and writes the text.
 */

interface Definition {
  type: 'counter' | 'gauge' | 'histogram'
  help: string
  labels?: readonly string[]
  /** Upper bounds; histograms only. */
  buckets?: readonly number[]
}

const seconds = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60]
const exponential = (start: number, factor: number, count: number) =>
  Array.from({ length: count }, (_, i) => start * factor ** i)

/** Every metric of the stand-ins, by name. A component that counts more adds its rows with `Metrics.define`. */
const metricTable = {
  kubernetes_build_info: {
    type: 'gauge',
    help: "A metric with a constant '1' value labeled by major, minor, git version, git commit, git tree state, build date, Go version, and compiler from which Kubernetes was built, and platform on which it is running.",
    labels: [
      'major',
      'minor',
      'git_version',
      'git_commit',
      'git_tree_state',
      'build_date',
      'go_version',
      'compiler',
      'platform',
    ],
  },
  kubernetes_healthcheck: {
    type: 'gauge',
    help: 'This metric records the result of a single healthcheck.',
    labels: ['name', 'type'],
  },
  kubernetes_healthchecks_total: {
    type: 'counter',
    help: 'This metric records the results of all healthcheck.',
    labels: ['name', 'type', 'status'],
  },
  process_start_time_seconds: {
    type: 'gauge',
    help: 'Start time of the process since unix epoch in seconds.',
  },
  apiserver_request_total: {
    type: 'counter',
    help: 'Counter of apiserver requests broken out for each verb, dry run value, group, version, resource, scope, component, and HTTP response code.',
    labels: ['verb', 'dry_run', 'group', 'version', 'resource', 'subresource', 'scope', 'component', 'code'],
  },
  apiserver_client_certificate_expiration_seconds: {
    type: 'histogram',
    help: 'Distribution of the remaining lifetime on the certificate used to authenticate a request.',
    buckets: [0, 1800, 3600, 7200, 21600, 43200, 86400, 172800, 345600, 604800, 2592000, 7776000, 15552000, 31104000],
  },
  apiserver_tls_handshake_errors_total: {
    type: 'counter',
    help: "Number of requests dropped with 'TLS handshake error from' error",
  },
  apiserver_audit_event_total: {
    type: 'counter',
    help: 'Counter of audit events generated and sent to the audit backend.',
  },
  apiserver_audit_error_total: {
    type: 'counter',
    help: 'Counter of audit events that failed to be audited properly. Plugin identifies the plugin affected by the error.',
    labels: ['plugin'],
  },
  apiserver_webhooks_x509_missing_san_total: {
    type: 'counter',
    help: 'Counts the number of requests to servers missing SAN extension in their serving certificate OR the number of connection failures due to the lack of x509 certificate SAN extension missing (either/or, based on the runtime environment)',
  },
  apiserver_webhooks_x509_insecure_sha1_total: {
    type: 'counter',
    help: 'Counts the number of requests to servers with insecure SHA1 signatures in their serving certificate OR the number of connection failures due to the insecure SHA1 signatures (either/or, based on the runtime environment)',
  },
  apiserver_kube_aggregator_x509_missing_san_total: {
    type: 'counter',
    help: 'Counts the number of requests to servers missing SAN extension in their serving certificate OR the number of connection failures due to the lack of x509 certificate SAN extension missing (either/or, based on the runtime environment)',
  },
  apiserver_kube_aggregator_x509_insecure_sha1_total: {
    type: 'counter',
    help: 'Counts the number of requests to servers with insecure SHA1 signatures in their serving certificate OR the number of connection failures due to the insecure SHA1 signatures (either/or, based on the runtime environment)',
  },
  authentication_attempts: {
    type: 'counter',
    help: 'Counter of authenticated attempts.',
    labels: ['result'],
  },
  authenticated_user_requests: {
    type: 'counter',
    help: 'Counter of authenticated requests broken out by username.',
    labels: ['username'],
  },
  authentication_duration_seconds: {
    type: 'histogram',
    help: 'Authentication duration in seconds broken out by result.',
    labels: ['result'],
    buckets: exponential(0.001, 2, 15),
  },
  authorization_attempts_total: {
    type: 'counter',
    help: "Counter of authorization attempts broken down by result. It can be either 'allowed', 'denied', 'no-opinion' or 'error'.",
    labels: ['result'],
  },
  rest_client_requests_total: {
    type: 'counter',
    help: 'Number of HTTP requests, partitioned by status code, method, and host.',
    labels: ['code', 'method', 'host'],
  },
  rest_client_request_duration_seconds: {
    type: 'histogram',
    help: 'Request latency in seconds. Broken down by verb, and host.',
    labels: ['verb', 'host'],
    buckets: seconds,
  },
  rest_client_transport_ca_reload_total: {
    type: 'counter',
    help: 'Number of CA reload attempts, partitioned by result and reason.',
    labels: ['result', 'reason'],
  },
  rest_client_transport_create_calls_total: {
    type: 'counter',
    help: 'Number of calls to get a new transport, partitioned by the result of the operation hit: obtained from the cache, miss: created and added to the cache, uncacheable: created and not cached',
    labels: ['result'],
  },
  leader_election_master_status: {
    type: 'gauge',
    help: "Gauge of if the reporting system is master of the relevant lease, 0 indicates backup, 1 indicates master. 'name' is the string used to identify the lease. Please make sure to group by name.",
    labels: ['name'],
  },
  kubelet_certificate_manager_client_ttl_seconds: {
    type: 'gauge',
    help: "Gauge of the TTL (time-to-live) of the Kubelet's client certificate. The value is in seconds until certificate expiry (negative if already expired). If client certificate is invalid or unused, the value will be +INF.",
  },
  kubelet_certificate_manager_server_ttl_seconds: {
    type: 'gauge',
    help: "Gauge of the shortest TTL (time-to-live) of the Kubelet's serving certificate. The value is in seconds until certificate expiry (negative if already expired). If serving certificate is invalid or unused, the value will be +INF.",
  },
  kubelet_certificate_manager_client_expiration_renew_errors: {
    type: 'counter',
    help: 'Counter of certificate renewal errors.',
  },
  kubelet_server_expiration_renew_errors: {
    type: 'counter',
    help: 'Counter of certificate renewal errors.',
  },
  kubelet_certificate_manager_server_rotation_seconds: {
    type: 'histogram',
    help: 'Histogram of the number of seconds the previous certificate lived before being rotated.',
    buckets: [60, 3600, 14400, 86400, 604800, 2592000, 7776000, 15552000, 31104000, 124416000],
  },
} as const satisfies Record<string, Definition>

export type MetricName = keyof typeof metricTable
export type Labels = Record<string, string>

interface Series {
  labels: Labels
  value: number
  /** Histograms: how many in each bucket, not summed up. */
  buckets: number[]
  count: number
}

export class Metrics {
  readonly #definitions = new Map<string, Definition>(Object.entries(metricTable))
  readonly #series = new Map<string, Map<string, Series>>()
  /** Run before every scrape: for values that are looked up rather than counted. */
  readonly #collectors: (() => void)[] = []

  /** Adds metrics of one component. */
  define(table: Record<string, Definition>): this {
    for (const [name, definition] of Object.entries(table)) this.#definitions.set(name, definition)
    return this
  }

  collect(collector: () => void): this {
    this.#collectors.push(collector)
    return this
  }

  inc(name: MetricName | (string & {}), labels: Labels = {}, by = 1): void {
    this.#at(name, labels).value += by
  }

  set(name: MetricName | (string & {}), value: number, labels: Labels = {}): void {
    this.#at(name, labels).value = value
  }

  observe(name: MetricName | (string & {}), value: number, labels: Labels = {}): void {
    const series = this.#at(name, labels)
    const bounds = this.#definitions.get(name)?.buckets ?? []
    let i = 0
    while (i < bounds.length && value > bounds[i]!) i++
    series.buckets[i] = (series.buckets[i] ?? 0) + 1
    series.value += value
    series.count++
  }

  #at(name: string, labels: Labels): Series {
    let all = this.#series.get(name)
    if (!all) {
      if (!this.#definitions.has(name)) throw new Error(`metric ${name} is not in the table`)
      all = new Map()
      this.#series.set(name, all)
    }
    let key = ''
    for (const label in labels) key += `${labels[label]}\0`
    let series = all.get(key)
    if (!series) {
      series = { labels, value: 0, buckets: [], count: 0 }
      all.set(key, series)
    }
    return series
  }

  /** The Prometheus text of everything that was counted, and what to say it is. */
  async text(): Promise<{ body: string; contentType: string }> {
    const { Registry } = await import('prom-client')
    for (const collector of this.#collectors) collector()
    const registry = new Registry()
    for (const [name, all] of [...this.#series].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const { type, help, buckets = [] } = this.#definitions.get(name)!
      const values = [...all.values()].flatMap((series): Sample[] =>
        type === 'histogram'
          ? histogramValues(name, series, buckets)
          : [{ labels: series.labels, value: series.value }],
      )
      // What Registry asks of a metric: its name and get().
      const metric = { name, get: async () => ({ name, help, type, values, aggregator: 'sum' }) }
      registry.registerMetric(metric as unknown as Parameters<typeof registry.registerMetric>[0])
    }
    return { body: await registry.metrics(), contentType: registry.contentType }
  }
}

interface Sample {
  labels: Record<string, string | number>
  value: number
  metricName?: string
}

function histogramValues(name: string, { labels, value, buckets, count }: Series, bounds: readonly number[]): Sample[] {
  let sum = 0
  const rows = bounds.map((le, i) => {
    sum += buckets[i] ?? 0
    return { labels: { ...labels, le }, value: sum, metricName: `${name}_bucket` }
  })
  return [
    ...rows,
    { labels: { ...labels, le: '+Inf' }, value: count, metricName: `${name}_bucket` },
    { labels, value, metricName: `${name}_sum` },
    { labels, value: count, metricName: `${name}_count` },
  ]
}
