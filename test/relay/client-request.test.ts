import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ClientRequest } from '../../src/relay/client-request.js'

const POST = (body: string, length = body.length): string =>
  `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n${body}`

/**
 * Sends text to a server in pieces, and returns what came back.
 * @param isTaken whether the server has taken so many pieces, and has answered what there is to be answered
 */
async function exchange(
  server: Server<typeof ClientRequest>,
  pieces: readonly string[],
  isTaken: (count: number, answers: number) => boolean,
): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  let text = ''
  socket.setNoDelay(true)
  socket.on('data', (data) => {
    text += data.toString('latin1')
  })
  for (const [i, piece] of pieces.entries()) {
    socket.write(piece)
    while (!isTaken(i + 1, text.split('200 OK').length - 1))
      await new Promise((resolve) => setTimeout(resolve, 2))
  }
  socket.destroy()
  await new Promise((resolve) => server.close(resolve))
  return text
}

function serve(
  handle: (req: ClientRequest, end: (text: string) => void) => void,
): Server<typeof ClientRequest> {
  return createServer({ IncomingMessage: ClientRequest, requireHostHeader: false }, (req, res) =>
    handle(req, (text) => res.end(text)),
  )
}

test('a body is handed on as it is parsed, and its end after it', async () => {
  const seen: string[] = []
  const server = serve((req, end) => {
    req.deliverTo({
      onData: (data) => seen.push(data.toString()),
      onEnd: () => {
        seen.push(`end ${req.complete}`)
        end('ok')
      },
    })
  })
  const text = await exchange(server, [POST('abc') + POST('de', 4), 'fg'], (count, answers) =>
    count === 1 ? seen.length === 3 : answers === 2,
  )
  assert.equal(seen, ['abc', 'end true', 'de', 'fg', 'end true'])
  assert.is(text.match(/200 OK/g)?.length, 2)
})

test('whoever listens to the stream gets the rest of the body', async () => {
  const seen: string[] = []
  const server = serve((req, end) => {
    req.deliverTo({
      onData: (data) => {
        seen.push(`first ${data}`)
        req.on('data', (rest: Buffer) => seen.push(`rest ${rest}`))
        req.on('end', () => end('ok'))
      },
      onEnd: () => seen.push('never'),
    })
  })
  const text = await exchange(server, [POST('abc', 9), 'def', 'ghi'], (count, answers) =>
    count < 3 ? seen.length === count : answers === 1,
  )
  assert.equal(seen, ['first abc', 'rest def', 'rest ghi'])
  assert.ok(text.startsWith('HTTP/1.1 200 OK'))
})

test('a connection goes on behind a response that was complete before the body', async () => {
  let ends = 0
  const server = serve((req, end) => {
    req.deliverTo({ onData: () => {}, onEnd: () => ends++ })
    end('early')
  })
  const text = await exchange(server, [POST('abc', 6), 'def', POST('abc')], (count, answers) =>
    count === 1 ? answers === 1 : count === 2 ? ends === 1 : answers === 2,
  )
  assert.is(ends, 2)
  assert.is(text.match(/200 OK/g)?.length, 2)
})

test('the headers are there for a request that expects something', async () => {
  const seen: unknown[] = []
  const server = serve((req, end) => {
    seen.push(Object.keys(req.headers).length)
    end('')
  })
  const expecting: string[] = []
  server.on('checkContinue', (req, res) => {
    expecting.push(String(req.headers.expect))
    res.end()
  })
  const expect = 'GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n'
  await exchange(server, ['GET / HTTP/1.1\r\nHost: a\r\n\r\n', expect], (count, answers) => answers === count)
  assert.equal(seen, [0])
  assert.equal(expecting, ['100-continue'])
})

test.run()
