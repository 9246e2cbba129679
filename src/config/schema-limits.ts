import { z } from 'zod'
import { alerts, limitRule, unpriced } from './schema-rules.js'
import { count, duration, MIB, size } from './schema-values.js'

/** The section `timeouts`. */
export const timeouts = z.strictObject({
  connectMs: duration()
    .default(5_000)
    .describe('Longest time to connect to an upstream, TLS handshake included. 504 after it.'),
  firstByteMs: duration()
    .default(600_000)
    .describe(
      "Longest time from the last byte of the request to the first byte of the upstream's response. 504 after it. Reasoning models think for minutes.",
    ),
  idleMs: duration()
    .default(300_000)
    .describe(
      'Longest silence within a response of an upstream. The response is cut after it. A stream has no limit in total.',
    ),
  heldMs: duration()
    .default(30_000)
    .describe(
      'How long the beginning of a response without content is held back while another target is left, where the route has no `firstTokenMs`. Then it goes to the client.',
    ),
  refusedKeyMs: duration()
    .default(60_000)
    .describe(
      'How long a key of an upstream is tried after all others when the upstream has refused it. Doubled with each refusal that follows, up to an hour.',
    ),
  spentQuotaMs: duration()
    .default(300_000)
    .describe(
      'The same for a key whose account has no quota or credit left, unless the upstream names a longer time.',
    ),
  clientStallMs: duration()
    .default(60_000)
    .describe(
      'A client that takes nothing of what it is sent for this long is disconnected, and its upstream request cancelled. On Linux this is what the client has acknowledged; elsewhere it is noticed when the buffers of the kernel are full.',
    ),
  requestMs: duration()
    .default(300_000)
    .describe('Longest time for a client to send its whole request. 408 after it.'),
  headersMs: duration()
    .default(60_000)
    .describe('Longest time for a client to send the head of its request. 408 after it.'),
  keepAliveMs: duration()
    .default(75_000)
    .describe(
      'How long an idle client connection stays open. Keep it above the idle limit of a front proxy (nginx: 60 s).',
    ),
  upstreamKeepAliveMs: duration()
    .default(55_000)
    .describe(
      'How long an idle upstream connection stays open. Keep it below the idle limit of load balancers (often 60 s).',
    ),
  upstreamReuseMs: duration(0)
    .default(5_000)
    .describe(
      'An upstream connection that was unused for longer takes no request that may not be sent twice, such as the upload of a file: a firewall or balancer may have forgotten the connection. Such a request gets a new one.',
    ),
  upstreamAckMs: duration()
    .default(3_000)
    .describe(
      'A request on a kept upstream connection that acknowledges nothing of it for this long is sent again on a new one, if it may be sent twice: a firewall or balancer has forgotten the connection. Only Linux tells what was acknowledged; elsewhere `firstByteMs` applies.',
    ),
  websocketQuietMs: duration()
    .default(3_600_000)
    .describe(
      'How long a WebSocket stays open without a message and without an open response. It is closed after it, with code 1001. Within a response `idleMs` applies.',
    ),
  readyGraceMs: duration(0)
    .default(5_000)
    .describe(
      'How long `/readyz` answers 503 after SIGTERM while new requests are still taken, so that a balancer can stop sending them. It is a part of `drainMs`. Without a request for `/readyz` in the last two minutes there is no such wait.',
    ),
  drainMs: duration(0)
    .default(30_000)
    .describe(
      'How long open streams may continue after SIGTERM, before they are cut. `THINWIRE_STOP_TIMEOUT_MS` in the environment says when the platform kills the relay, and shortens it so that all records are written by then.',
    ),
})

/** The section `limits`. */
export const limits = z.strictObject({
  bodyBytes: size(1024, 2048 * MIB)
    .default(32 * MIB)
    .describe('Largest request body, also when it is decoded. 413 beyond it.'),
  bodyRatio: count(2_000)
    .default(100)
    .describe(
      'How many times longer an encoded request body (`content-encoding`) over 1 MiB may become when it is decoded. Beyond it the body is not read: 413 where a rule depends on its model, otherwise it passes as it came.',
    ),
  headerBytes: size(8 * 1024, MIB)
    .default(64 * 1024)
    .describe('Largest request head. 431 beyond it.'),
  bufferedBytes: size(1024, 64 * 1024 * MIB)
    .default(1024 * MIB)
    .describe('Memory for request bodies, all clients together. 503 beyond it.'),
  transformBufferBytes: size(1024, 2048 * MIB)
    .default(32 * MIB)
    .describe(
      'Memory for one response that is translated for Cursor: the whole body, or one event of a stream. The response ends with an error beyond it.',
    ),
  connections: count(1_000_000)
    .default(20_000)
    .describe('Open client connections. Further ones are closed at once.'),
  connectionsPerAddress: count(1_000_000)
    .default(2_000)
    .describe(
      'Open connections of one address (IPv6: of one /64 network). Further ones are closed at once. Proxies in `trustedProxies` have no such limit.',
    ),
  unansweredRequestsPerConnection: count(1_000)
    .default(1)
    .describe(
      'Requests of one connection that are served at one time. A client may send further ones ahead (pipelining); each waits until an earlier one is answered.',
    ),
  refusalsPerAddressPerMinute: count(1_000_000)
    .default(60)
    .describe(
      'Requests of one address that are refused for want of a valid key, or as no valid request. Further ones of that minute get 429, and their connection is closed; requests with a valid key are served. The ledger and the log have one line for all of them.',
    ),
  headerFields: count(100_000).default(500).describe('Header fields of one request. 431 beyond it.'),
  maxConcurrentRequests: count(1_000_000)
    .default(10_000)
    .describe('Requests in flight, all keys together. 503 beyond it.'),
  maxConcurrentRequestsPerKey: count(1_000_000)
    .default(1_000)
    .describe('Requests in flight with one key. 429 beyond it.'),
  clientBufferBytes: size(1024, 64 * MIB)
    .default(256 * 1024)
    .describe('Memory for one client that reads slowly. The upstream is paused beyond it.'),
  rules: z
    .array(limitRule)
    .max(1_000)
    .default([])
    .describe(
      'Limits of requests, tokens and money, and of models. A request has to pass every rule that matches it. See src/limits/README.md.',
    ),
  unpriced,
  alerts,
})
