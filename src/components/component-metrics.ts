/** The registry that a Kubernetes binary starts with. */
import { Metrics } from '#kubernetes/metrics.ts'
import { kubernetesVersion, platform } from '#kubernetes/version.ts'

const buildInfo = {
  major: kubernetesVersion.major,
  minor: kubernetesVersion.minor,
  git_version: kubernetesVersion.gitVersion,
  git_commit: kubernetesVersion.gitCommit,
  git_tree_state: kubernetesVersion.gitTreeState,
  build_date: kubernetesVersion.buildDate,
  go_version: kubernetesVersion.goVersion,
  compiler: kubernetesVersion.compiler,
  platform,
}

export function newMetrics(): Metrics {
  const metrics = new Metrics()
  metrics.set('kubernetes_build_info', 1, buildInfo)
  metrics.set('process_start_time_seconds', Date.now() / 1000 - process.uptime())
  return metrics
}
