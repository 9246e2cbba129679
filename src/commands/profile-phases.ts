import type { Phase } from '../exchange/outcome.js'

/**
 * What the relay's main thread does: the phases of a request, and what is none of them. `socket`: Node's server reads a
 * request, before the relay has it. `meter`: reads a response after its bytes have left. `record`: ledger, log, metrics
 * and limits of a request that is over. `other`: timers, probes, files that changed.
 */
export type Activity = 'socket' | Phase | 'meter' | 'record' | 'other' | 'collect' | 'native'

/** In the order of a request's life; `read` stands where the body is read. */
export const ACTIVITIES = [
  'socket',
  'admit',
  'read',
  'plan',
  'cache',
  'attempt',
  'respond',
  'meter',
  'record',
  'other',
  'collect',
  'native',
] as const satisfies readonly Activity[]

/**
 * The one table of what the code is for: a file or a folder of `src`, and behind `#` a function of a file. The longest
 * name that fits counts. What serves several phases is not in it (`json`, `http`, `lib`, `translate`), or is null: the
 * time is that of its caller.
 */
export const ACTIVITY_OF_CODE: Readonly<Record<string, Activity | null>> = {
  'access/': 'admit',
  'server/': 'admit',
  'server/body-intake.ts': 'read',
  'server/request-handler.ts#continue': 'plan',
  'server/request-handler.ts#execute': 'plan',
  'server/request-handler.ts#close': 'record',
  'server/request-handler.ts#tick': 'other',
  'server/request-handler.ts#noteOpen': 'other',
  'server/request-dispatcher.ts': 'plan',
  'server/request-dispatcher.ts#proxy': 'attempt',
  'server/request-dispatcher.ts#send': 'attempt',
  'server/request-dispatcher.ts#failoverOptions': 'attempt',
  'server/plan.ts': 'plan',
  'server/limit-gate.ts': 'plan',
  'server/model-access.ts': 'plan',
  'server/target-traits.ts': 'plan',
  'server/stored-lookup.ts': 'plan',
  'server/waiting.ts': 'plan',
  'server/attempt-sender.ts': 'attempt',
  'server/recorder.ts': 'record',
  'relay/': 'respond',
  'relay/request-body.ts': 'read',
  'relay/body-reader.ts': 'read',
  'relay/body-decoder.ts': 'read',
  'relay/byte-budget.ts': null,
  'relay/relay-context.ts': null,
  'relay/failover.ts': 'attempt',
  'relay/failover.ts#onHead': 'respond',
  'relay/failover.ts#take': 'respond',
  'relay/failover.ts#hand': 'respond',
  'relay/attempt.ts#Attempt': 'attempt',
  'relay/upload.ts': 'attempt',
  'relay/client-request.ts': 'read',
  'upstream/http1/request-writer.ts': 'attempt',
  'upstream/http1/request-head.ts': 'attempt',
  'relay/target-choice.ts': 'attempt',
  'relay/hedge-timer.ts': 'attempt',
  'cache/': 'cache',
  'upstream/upstream.ts#dispatch': 'attempt',
  'upstream/upstream-request.ts': 'attempt',
  'upstream/upstream-address.ts': 'attempt',
  'upstream/upstream-auth.ts': 'attempt',
  'upstream/keep-warm.ts': 'other',
  'metering/': 'meter',
  'exchange/summary.ts': 'record',
  'ledger/': 'record',
  'rollups/': 'record',
  'observe/': 'record',
  'admin/': 'other',
  'page/': 'other',
  'workers/': 'other',
  'app/': 'other',
  'direct/': 'other',
  'demo/': 'other',
}

/**
 * What code is for that none of the table has called: Node's event loop has. An upstream's bytes are read by its
 * client, and a client's by Node's server. Names of packages and Node's modules stand as in `ProfileFrame.module`.
 */
export const ACTIVITY_OF_LOOP: Readonly<Record<string, Activity>> = {
  undici: 'respond',
  'upstream/': 'respond',
  'limits/': 'plan',
  'routing/': 'plan',
  'stored/': 'plan',
  'node:_http_server': 'socket',
  'node:_http_common': 'socket',
  'node:_http_incoming': 'socket',
  'node:_http_outgoing': 'respond',
  'node:net': 'socket',
  // Sockets of clients are read by Node's server, without a stream.
  'node:internal/stream_base_commons': 'respond',
}
