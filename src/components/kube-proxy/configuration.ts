/** `--config`: a KubeProxyConfiguration (kubeproxy.config.k8s.io/v1alpha1). */
import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { messageOf, TrustplaneError } from '#errors.ts'
import type { Values } from './flags.ts'

interface Configuration {
  kind?: string
  clientConnection?: { kubeconfig?: string }
  hostnameOverride?: string
  healthzBindAddress?: string
  metricsBindAddress?: string
  mode?: string
}

/** @throws TrustplaneError for a file that cannot be read or is something else */
export function configure(values: Values): Values {
  const file = values.config
  if (file === undefined) return values
  let configuration: Configuration
  try {
    configuration = (parse(readFileSync(file, 'utf8')) ?? {}) as Configuration
  } catch (cause) {
    throw new TrustplaneError('TP_FILE_UNREADABLE', `${file}: ${messageOf(cause)}`, {
      fix: '--config names a KubeProxyConfiguration in YAML',
      cause,
    })
  }
  if (configuration.kind !== 'KubeProxyConfiguration') {
    throw new TrustplaneError('TP_INPUT_INVALID', `${file}: kind is ${configuration.kind ?? 'missing'}`, {
      fix: 'it starts with `apiVersion: kubeproxy.config.k8s.io/v1alpha1` and `kind: KubeProxyConfiguration`',
      at: { file },
    })
  }
  const fields = {
    kubeconfig: configuration.clientConnection?.kubeconfig,
    'hostname-override': configuration.hostnameOverride,
    'healthz-bind-address': configuration.healthzBindAddress,
    'metrics-bind-address': configuration.metricsBindAddress,
    'proxy-mode': configuration.mode,
  }
  return { ...values, ...Object.fromEntries(Object.entries(fields).filter(([, value]) => value)) }
}
