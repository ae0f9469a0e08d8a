/** kube-proxy's own metrics (pkg/proxy/metrics). */
export const proxyMetrics = {
  kubeproxy_sync_proxy_rules_duration_seconds: {
    type: 'histogram',
    help: 'SyncProxyRules latency in seconds',
    labels: ['ip_family'],
    buckets: Array.from({ length: 15 }, (_, i) => 0.001 * 2 ** i),
  },
  kubeproxy_sync_proxy_rules_last_timestamp_seconds: {
    type: 'gauge',
    help: 'The last time proxy rules were successfully synced',
    labels: ['ip_family'],
  },
  kubeproxy_sync_proxy_rules_endpoint_changes_total: {
    type: 'counter',
    help: 'Cumulative proxy rules Endpoint changes',
    labels: [],
  },
  kubeproxy_sync_proxy_rules_service_changes_total: {
    type: 'counter',
    help: 'Cumulative proxy rules Service changes',
    labels: [],
  },
} as const
