import { z } from 'zod'
import { duration, MIB, size } from './schema-values.js'

export const timeouts = z.strictObject({
  connectMs: duration().default(5_000).describe('Until a connection to the upstream stands, TLS included.'),
  firstByteMs: duration()
    .default(600_000)
    .describe("From the request's last byte to the upstream's first. Reasoning models think for minutes."),
  idleMs: duration().default(300_000).describe('Silence between two pieces of a running response.'),
  clientStallMs: duration()
    .default(120_000)
    .describe('A client that has stopped reading is cut off after this, with what it holds upstream.'),
  requestMs: duration().default(300_000).describe('For a client to send its whole request.'),
  headersMs: duration().default(60_000).describe('For a client to send the head of its request.'),
  keepAliveMs: duration()
    .default(75_000)
    .describe(
      'An idle client connection is kept this long; above the idle limit of a front proxy (nginx: 60 s).',
    ),
  upstreamKeepAliveMs: duration()
    .default(55_000)
    .describe('An idle upstream connection is kept this long; below what load balancers allow (often 60 s).'),
  drainMs: duration(0).default(30_000).describe('Open streams may finish for this long after SIGTERM.'),
})

export const limits = z.strictObject({
  bodyBytes: size(1024, 2048 * MIB)
    .default(32 * MIB)
    .describe('Largest request body; 413 beyond.'),
  headerBytes: size(8 * 1024, MIB)
    .default(64 * 1024)
    .describe('Largest request head; 431 beyond.'),
  bufferedBytes: size(1024, 64 * 1024 * MIB)
    .default(1024 * MIB)
    .describe('Request bodies held at one time, all clients together; 503 beyond.'),
  transformBufferBytes: size(1024, 2048 * MIB)
    .default(32 * MIB)
    .describe(
      'Held of an answer that is changed for Cursor: all of it, or one event of a stream. Beyond, it ends with an error.',
    ),
  connections: size(1, 1_000_000)
    .default(20_000)
    .describe('Open client connections; more are closed at once.'),
  maxConcurrentRequests: size(1, 1_000_000)
    .default(10_000)
    .describe('Requests in flight, all keys together; 503 beyond.'),
  maxConcurrentRequestsPerKey: size(1, 1_000_000)
    .default(1_000)
    .describe('Requests in flight with one key; 429 beyond.'),
  clientBufferBytes: size(1024, 64 * MIB)
    .default(256 * 1024)
    .describe('Bytes held for a slow client before the upstream is asked to wait.'),
})
