/**
 * Where in the control plane somebody's certificate is checked: a slot each, `<component>.<purpose>`, named after the
 * original's flag. A plan fills a slot with authorities (or with self-signed certificates to pin).
 */
export const trustSlots = {
  'kube-apiserver.client-ca': '--client-ca-file: client certificates of users and components',
  'kube-apiserver.requestheader-client-ca': '--requestheader-client-ca-file: front proxies',
  'kube-apiserver.etcd-cafile': "--etcd-cafile: etcd's serving certificate",
  'kube-apiserver.kubelet-certificate-authority': "--kubelet-certificate-authority: kubelets' serving certificates",
  'kube-apiserver.extension-ca-bundle':
    "caBundle of the APIService and webhooks: the extension-apiserver's certificate",
  'etcd.trusted-ca': '--trusted-ca-file: client certificates',
  'etcd.peer-trusted-ca': '--peer-trusted-ca-file: other members',
  'etcd-healthcheck.cacert': "etcdctl's --cacert: etcd's serving certificate, as the liveness probe checks it",
  'kubelet.client-ca': '--client-ca-file: whoever calls the kubelet',
  'kube-controller-manager.client-ca': '--client-ca-file: whoever calls it',
  'kube-controller-manager.requestheader-client-ca': '--requestheader-client-ca-file: front proxies',
  'kube-controller-manager.root-ca': '--root-ca-file: what pods are given as ca.crt',
  'kube-scheduler.client-ca': '--client-ca-file: whoever calls it',
  'kube-scheduler.requestheader-client-ca': '--requestheader-client-ca-file: front proxies',
  'extension-apiserver.client-ca': '--client-ca-file: whoever calls it directly',
  'extension-apiserver.requestheader-client-ca': "--requestheader-client-ca-file: the apiserver's front proxy",
  'monitoring.kube-controller-manager': "the controller-manager's serving certificate",
  'monitoring.kube-scheduler': "the scheduler's serving certificate",
  'monitoring.kubelet': "kubelets' serving certificates",
} as const satisfies Record<string, string>

export type TrustSlot = keyof typeof trustSlots

export const trustSlotNames = Object.keys(trustSlots) as TrustSlot[]
