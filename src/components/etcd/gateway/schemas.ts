/** The messages that the JSON gateway reads: etcdserverpb's fields by JSON name, and what they are called here. */
import type { EnumKind, Kind, Schema } from './decode.ts'

/** Both spellings that jsonpb takes, `range_end` and `rangeEnd`, mean the latter. */
function schema(fields: Record<string, Kind>, renamed: Record<string, string> = {}): Schema {
  const table: Record<string, { as: string; kind: Kind }> = Object.create(null)
  for (const [name, kind] of Object.entries(fields)) {
    const camel = name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
    const field = { as: renamed[name] ?? camel, kind }
    table[name] = field
    table[camel] = field
  }
  return { fields: table }
}

const enumOf = (name: string, values: readonly string[]): EnumKind => ({ enum: `etcdserverpb.${name}`, values })

export const rangeRequest = schema({
  key: 'bytes',
  range_end: 'bytes',
  limit: 'int',
  revision: 'int',
  sort_order: enumOf('RangeRequest_SortOrder', ['NONE', 'ASCEND', 'DESCEND']),
  sort_target: enumOf('RangeRequest_SortTarget', ['KEY', 'VERSION', 'CREATE', 'MOD', 'VALUE']),
  serializable: 'bool',
  keys_only: 'bool',
  count_only: 'bool',
  min_mod_revision: 'int',
  max_mod_revision: 'int',
  min_create_revision: 'int',
  max_create_revision: 'int',
})

export const putRequest = schema({
  key: 'bytes',
  value: 'bytes',
  lease: 'lease',
  prev_kv: 'bool',
  ignore_value: 'bool',
  ignore_lease: 'bool',
})

export const deleteRangeRequest = schema({ key: 'bytes', range_end: 'bytes', prev_kv: 'bool' })

const compare = schema({
  result: enumOf('Compare_CompareResult', ['EQUAL', 'GREATER', 'LESS', 'NOT_EQUAL']),
  target: enumOf('Compare_CompareTarget', ['VERSION', 'CREATE', 'MOD', 'VALUE', 'LEASE']),
  key: 'bytes',
  version: 'int',
  create_revision: 'int',
  mod_revision: 'int',
  value: 'bytes',
  lease: 'lease',
  range_end: 'bytes',
})

const requestOp: Schema = { fields: {} }

export const txnRequest = schema({ compare: [compare], success: [requestOp], failure: [requestOp] })

// a transaction may hold transactions
Object.assign(
  requestOp,
  schema(
    {
      request_range: rangeRequest,
      request_put: putRequest,
      request_delete_range: deleteRangeRequest,
      request_txn: txnRequest,
    },
    { request_range: 'range', request_put: 'put', request_delete_range: 'deleteRange', request_txn: 'txn' },
  ),
)

export const compactionRequest = schema({ revision: 'int', physical: 'bool' })

export const watchRequest = schema({
  create_request: schema({
    key: 'bytes',
    range_end: 'bytes',
    start_revision: 'int',
    progress_notify: 'bool',
    filters: [enumOf('WatchCreateRequest_FilterType', ['NOPUT', 'NODELETE'])],
    prev_kv: 'bool',
    watch_id: 'int',
    fragment: 'bool',
  }),
  cancel_request: schema({ watch_id: 'int' }),
  progress_request: schema({}),
})

export const leaseGrantRequest = schema({ TTL: 'int', ID: 'lease' }, { TTL: 'ttl', ID: 'id' })
export const leaseRequest = schema({ ID: 'lease', keys: 'bool' }, { ID: 'id' })
export const memberRequest = schema(
  { ID: 'member', peerURLs: ['string'], isLearner: 'bool' },
  { ID: 'id', peerURLs: 'peerUrls' },
)
export const moveLeaderRequest = schema({ targetID: 'member' }, { targetID: 'targetId' })
export const alarmRequest = schema(
  {
    action: enumOf('AlarmRequest_AlarmAction', ['GET', 'ACTIVATE', 'DEACTIVATE']),
    memberID: 'member',
    alarm: enumOf('AlarmType', ['NONE', 'NOSPACE', 'CORRUPT']),
  },
  { memberID: 'memberId' },
)
