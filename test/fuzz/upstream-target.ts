import { judge } from '../upstream/http1/differences.js'
import { readByBoth } from '../upstream/http1/one-response.js'
import { type Case, toWire } from '../upstream/http1/wires.js'
import { cut } from './mutate.js'

export const RESPONSES: readonly Buffer[] = [
  'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 5\r\n\r\nhello',
  'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nA;a="b"\r\n0123456789\r\n0\r\nx: a\r\n\r\n',
  'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n',
  'HTTP/1.0 200 OK\r\nconnection: keep-alive\r\nkeep-alive: timeout=500, max=9\r\ncontent-length: 0\r\n\r\n',
  'HTTP/1.1 429 Too Many Requests\r\nconnection: close\r\n\r\nhello',
].map((text) => Buffer.from(text))

const METHODS = ['GET', 'POST', 'HEAD']
const CLOSES = ['fin', 'stays', 'reset'] as const

/** The own client makes of a response what undici makes of it, but for the differences that are meant. */
export async function takeResponse(input: Buffer): Promise<void> {
  const text = input.toString('latin1')
  const cuts: number[] = []
  for (const piece of cut(input)) cuts.push((cuts.at(-1) ?? 0) + piece.length)
  cuts.pop()
  const { length } = input
  const given: Case = {
    method: METHODS[length % 3] as string,
    text,
    closes: CLOSES[Math.floor(length / 3) % 3] as Case['closes'],
    cuts,
    pauses: Math.floor(length / 9) % 2 === 0 ? null : length,
  }
  for (const { own, undici } of await readByBoth([toWire(given)])) {
    const found = judge({ given, own, undici })
    if (found?.startsWith('unknown')) throw new Error(`${found}, after ${given.method}, ${given.closes}`)
  }
}
