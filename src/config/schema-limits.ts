import { z } from 'zod'
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
    .describe('How long open streams may continue after SIGTERM, before they are cut.'),
})

/** The section `limits`. */
export const limits = z.strictObject({
  bodyBytes: size(1024, 2048 * MIB)
    .default(32 * MIB)
    .describe('Largest request body. 413 beyond it.'),
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
  maxConcurrentRequests: count(1_000_000)
    .default(10_000)
    .describe('Requests in flight, all keys together. 503 beyond it.'),
  maxConcurrentRequestsPerKey: count(1_000_000)
    .default(1_000)
    .describe('Requests in flight with one key. 429 beyond it.'),
  clientBufferBytes: size(1024, 64 * MIB)
    .default(256 * 1024)
    .describe('Memory for one client that reads slowly. The upstream is paused beyond it.'),
})
