/** etcd's errors: the gRPC code and the words. Source: etcd's api/v3rpc/rpctypes/error.go. */

/** gRPC status codes that etcd uses (google.golang.org/grpc/codes). */
export const grpcCodes = {
  unknown: 2,
  invalidArgument: 3,
  notFound: 5,
  resourceExhausted: 8,
  failedPrecondition: 9,
  outOfRange: 11,
  unimplemented: 12,
  unavailable: 14,
} as const

const table = {
  emptyKey: [grpcCodes.invalidArgument, 'etcdserver: key is not provided'],
  keyNotFound: [grpcCodes.invalidArgument, 'etcdserver: key not found'],
  valueProvided: [grpcCodes.invalidArgument, 'etcdserver: value is provided'],
  leaseProvided: [grpcCodes.invalidArgument, 'etcdserver: lease is provided'],
  tooManyOps: [grpcCodes.invalidArgument, 'etcdserver: too many operations in txn request'],
  duplicateKey: [grpcCodes.invalidArgument, 'etcdserver: duplicate key given in txn request'],
  compacted: [grpcCodes.outOfRange, 'etcdserver: mvcc: required revision has been compacted'],
  futureRevision: [grpcCodes.outOfRange, 'etcdserver: mvcc: required revision is a future revision'],
  noSpace: [grpcCodes.resourceExhausted, 'etcdserver: mvcc: database space exceeded'],
  leaseNotFound: [grpcCodes.notFound, 'etcdserver: requested lease not found'],
  leaseExists: [grpcCodes.failedPrecondition, 'etcdserver: lease already exists'],
  leaseTtlTooLarge: [grpcCodes.outOfRange, 'etcdserver: too large lease TTL'],
  requestTooLarge: [grpcCodes.invalidArgument, 'etcdserver: request is too large'],
  memberExists: [grpcCodes.failedPrecondition, 'etcdserver: member ID already exist'],
  peerUrlExists: [grpcCodes.failedPrecondition, 'etcdserver: Peer URLs already exists'],
  // etcd means failedPrecondition, but it does not translate this one (3.4.23)
  notEnoughStarted: [grpcCodes.unknown, 'etcdserver: re-configuration failed due to not enough started members'],
  memberBadUrls: [grpcCodes.invalidArgument, 'etcdserver: given member URLs are invalid'],
  memberNotFound: [grpcCodes.notFound, 'etcdserver: member not found'],
  memberNotLearner: [grpcCodes.failedPrecondition, 'etcdserver: can only promote a learner member'],
  badLeaderTransferee: [grpcCodes.failedPrecondition, 'etcdserver: bad leader transferee'],
  rootUserNotExist: [grpcCodes.failedPrecondition, 'etcdserver: root user does not exist'],
  userEmpty: [grpcCodes.invalidArgument, 'etcdserver: user name is empty'],
  userNotFound: [grpcCodes.failedPrecondition, 'etcdserver: user name not found'],
  roleEmpty: [grpcCodes.invalidArgument, 'etcdserver: role name is empty'],
  roleNotFound: [grpcCodes.failedPrecondition, 'etcdserver: role name not found'],
  authNotEnabled: [grpcCodes.failedPrecondition, 'etcdserver: authentication is not enabled'],
  noLeader: [grpcCodes.unavailable, 'etcdserver: no leader'],
  notLeader: [grpcCodes.failedPrecondition, 'etcdserver: not leader'],
  timeout: [grpcCodes.unavailable, 'etcdserver: request timed out'],
  stopped: [grpcCodes.unavailable, 'etcdserver: server stopped'],
} as const satisfies Record<string, readonly [number, string]>

export type EtcdErrorName = keyof typeof table

/** A request that was refused: what the client gets, over gRPC (code, message) and JSON (HTTP status from the code). */
export class EtcdError extends Error {
  override readonly name = 'EtcdError'
  readonly code: number

  constructor(code: number, message: string) {
    super(message)
    this.code = code
  }
}

/** One of etcd's own errors, by name. */
export function etcdError(name: EtcdErrorName): EtcdError {
  const [code, message] = table[name]
  return new EtcdError(code, message)
}
