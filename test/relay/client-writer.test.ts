import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Exchange } from '../../src/exchange/exchange.js'
import type { End } from '../../src/exchange/outcome.js'
import { createResponseFacts } from '../../src/http/response-headers.js'
import { BoundCounters } from '../../src/lib/limit-counters.js'
import { ByteBudget } from '../../src/relay/byte-budget.js'
import { ClientWriter } from '../../src/relay/client-writer.js'
import { RelayContext } from '../../src/relay/relay-context.js'
import type { ResponseFeed } from '../../src/relay/response-sink.js'

interface Scene {
  readonly writer: ClientWriter
  readonly exchange: Exchange
}

/**
 * Runs a real server and client. The client leaves when `write` has returned or its promise has settled.
 * @param hasEndMark the response has had its end mark
 * @returns the recorded end, and the number of calls of `onClientGone`
 */
async function leaveAfter(
  write: (scene: Scene) => void | Promise<void>,
  hasEndMark: boolean,
): Promise<{ end: End | null; gone: number }> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  client.on('error', () => {})
  client.pause()
  client.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
  try {
    const [req, res] = (await once(server, 'request')) as [IncomingMessage, ServerResponse]
    const exchange = new Exchange(req, res, performance.now())
    let gone = 0
    const feed: ResponseFeed = {
      hasSentEnd: () => hasEndMark,
      onClientGone: () => void gone++,
      onDrain() {},
      onTick() {},
    }
    const context = new RelayContext(new BoundCounters(), new ByteBudget(1e6))
    const writer = new ClientWriter(exchange, feed, context, 60_000)
    exchange.stage = writer
    const closed = once(res, 'close')
    await write({ writer, exchange })
    client.destroy()
    await closed
    exchange.close(performance.now())
    return { end: exchange.outcome.end, gone }
  } finally {
    client.destroy()
    server.close()
    server.closeAllConnections()
  }
}

function begin({ writer }: Scene): void {
  writer.begin({ status: 200, reason: 'OK', headers: [], facts: createResponseFacts() })
}

/** Writes more than the socket buffers of both ends hold, to a client that reads nothing. */
function fill({ writer }: Scene): void {
  writer.write(Buffer.alloc(64 << 20))
  assert.ok(writer.isBlocked)
}

const CASES: readonly {
  readonly title: string
  readonly write: (scene: Scene) => void | Promise<void>
  readonly hasEndMark: boolean
  readonly end: End
}[] = [
  { title: 'was sent nothing', write: () => {}, hasEndMark: false, end: 'client_gone' },
  { title: 'was sent the head only', write: begin, hasEndMark: false, end: 'client_gone' },
  {
    title: 'was sent a part',
    write: (scene) => {
      begin(scene)
      scene.writer.write(Buffer.from('a part'))
    },
    hasEndMark: false,
    end: 'client_gone',
  },
  {
    title: 'was sent the end mark but not the end',
    write: (scene) => {
      begin(scene)
      scene.writer.write(Buffer.from('data: [DONE]\n\n'))
    },
    hasEndMark: true,
    end: 'done',
  },
  {
    title: 'is blocked before the end mark',
    write: (scene) => {
      begin(scene)
      fill(scene)
    },
    hasEndMark: false,
    end: 'client_gone',
  },
  {
    title: 'is blocked although the end mark was written',
    write: (scene) => {
      begin(scene)
      fill(scene)
    },
    hasEndMark: true,
    end: 'client_gone',
  },
  {
    title: 'was sent everything',
    write: async (scene) => {
      begin(scene)
      scene.writer.write(Buffer.from('all of it'))
      const finished = once(scene.exchange.res, 'finish')
      scene.writer.end()
      await finished
    },
    hasEndMark: false,
    end: 'done',
  },
]

for (const { title, write, hasEndMark, end } of CASES) {
  test(`a client that leaves after it ${title} is recorded as ${end}`, async () => {
    const { end: recorded, gone } = await leaveAfter(write, hasEndMark)
    assert.is(recorded, end)
    assert.is(gone, 1, 'onClientGone is called once')
  })
}

test.run()
