/**
 * trustplane as a library: a control plane whose TLS is real, inside your own tests.
 *
 *     import { startMesh } from 'trustplane'
 *
 *     await using mesh = await startMesh({ fault: 'etcd/client-from-cluster-ca' })
 *     const { outcome, refusedBy, reason } = mesh.connection('kube-apiserver', 'etcd')
 *     // 'refused', 'server', 'unknown-authority'
 *
 * For those who need no control plane: `certificateFixture('expired')`, `startEndpoint({ certificate: 'expired' })`, `verify()`.
 * docs/library.md tells it all.
 *
 * Everything runs in this process by default, on free ports, in a temporary directory, and says nothing. A refused connection is
 * a value; what is thrown is misuse (TrustplaneError). Keys and certificates are throw-away: never use them in production.
 */
export {
  type CertificateDefectName,
  type ClientDefectName,
  certificateDefects,
  type ServerDefectName,
} from '#endpoints/defects.ts'
export { type Endpoint, type EndpointOptions, startEndpoint } from '#endpoints/endpoint.ts'
export {
  type CertificateFixture,
  certificateFixture,
  createAuthority,
  type FixtureOptions,
  type IssuedCertificate,
  type IssueOptions,
  issue,
} from '#endpoints/fixture.ts'
export { type ProtocolDefectName, protocolDefects } from '#endpoints/protocols.ts'
export type { Authority } from '#endpoints/workshop.ts'
export { type ErrorCode, TrustplaneError } from '#errors.ts'
export { type MeshOptions, startMesh } from '#library/start-mesh.ts'
export { type Disagreement, disagreements } from '#mesh/agreement.ts'
export { type Connection, connections, type DialledBy, type Dialling } from '#mesh/connections.ts'
export { type Explanation, explain } from '#mesh/explain.ts'
export type { Layout } from '#mesh/layout.ts'
export type { Member } from '#mesh/member.ts'
export type { Mesh } from '#mesh/mesh.ts'
export { type Prediction, predict } from '#mesh/predict.ts'
export { type ProbeOptions, type ProbeResult, probe } from '#mesh/probe.ts'
export type { AuthorityName, CertificateName, Rotation } from '#mesh/rotate.ts'
export { type ConnectionStatus, readStatus } from '#mesh/status.ts'
export { type CreateOptions, createPki } from '#pki/create.ts'
export { issuePki } from '#pki/issue.ts'
export { applyChanges, loadPlan } from '#pki/plan.ts'
export type { PkiFiles, Plan, PlanChanges } from '#pki/types.ts'
export { findScenarioFiles } from '#scenarios/find.ts'
export { loadScenarios } from '#scenarios/load.ts'
export { type RunOptions, runScenarios, type ScenarioResult } from '#scenarios/runner.ts'
export type { Scenario } from '#scenarios/types.ts'
export type { HandshakeRecord, PresentedCertificate } from '#tls/types.ts'
export { parseRevocationList } from '#x509/crl.ts'
export { type Reason, reasons } from '#x509/reasons.ts'
export type { Certificate, RevocationList, Verdict, VerifyOptions, Voice } from '#x509/types.ts'
export { verify } from '#x509/verify.ts'
