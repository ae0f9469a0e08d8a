/** The release whose behaviour the stand-ins show: `/version`, User-Agent, kubernetes_build_info. */
export const kubernetesVersion = {
  major: '1',
  minor: '36',
  gitVersion: 'v1.36.0',
  gitCommit: 'trustplane',
  gitTreeState: 'clean',
  buildDate: '2026-04-22T00:00:00Z',
  goVersion: 'go1.24',
  compiler: 'gc',
} as const

const architectures: Record<string, string> = { x64: 'amd64', ia32: '386' }

/** `linux/amd64`, as Go names it. */
export const platform = `${process.platform === 'win32' ? 'windows' : process.platform}/${architectures[process.arch] ?? process.arch}`

/** rest.DefaultKubernetesUserAgent: `kube-scheduler/v1.36.0 (linux/amd64) kubernetes/trustplane`, with `/leader-election` and such at its end. */
export const userAgent = (component: string, suffix = '') =>
  `${component}/${kubernetesVersion.gitVersion} (${platform}) kubernetes/${kubernetesVersion.gitCommit}${suffix ? `/${suffix}` : ''}`
