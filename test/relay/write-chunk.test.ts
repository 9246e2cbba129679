import { createServer, get, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { writeChunk, writeHeadAndFirstChunk } from '../../src/relay/write-chunk.js'
import { randomFrom, SEED } from '../support/random.js'

/** Writes chunks of these sizes in one turn. @returns the body that a client got, and the one that was written */
async function send(sizes: readonly number[], headers: Record<string, string> = {}) {
  const chunks = sizes.map((size, i) => Buffer.alloc(size, 97 + (i % 26)))
  const server = createServer((_, res: ServerResponse) => {
    res.writeHead(200, headers)
    for (const [i, chunk] of chunks.entries()) {
      if (i === 0) writeHeadAndFirstChunk(res, chunk)
      else writeChunk(res, chunk)
    }
    res.end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    const got = await new Promise<Buffer>((resolve, reject) => {
      get({ port: (server.address() as AddressInfo).port, agent: false }, (res) => {
        const parts: Buffer[] = []
        res.on('data', (part: Buffer) => parts.push(part))
        res.on('end', () => resolve(Buffer.concat(parts)))
        res.on('error', reject)
      }).on('error', reject)
    })
    return { got, written: Buffer.concat(chunks) }
  } finally {
    server.close()
  }
}

const SMALL = 20
const LARGE = 9 * 1024

for (const sizes of [
  [SMALL, SMALL, SMALL],
  [SMALL, LARGE, SMALL],
  [LARGE, SMALL, LARGE, SMALL, SMALL],
  [LARGE, LARGE, LARGE, SMALL],
  [SMALL, 8192, 8193, SMALL],
  [SMALL, 200_000, SMALL, 200_000, SMALL],
])
  test(`chunks of ${sizes.join(', ')} bytes that are written in one turn arrive in their order`, async () => {
    const { got, written } = await send(sizes)
    assert.ok(got.equals(written))
    const known = await send(sizes, { 'content-length': String(written.length) })
    assert.ok(known.got.equals(known.written), 'with a content-length')
  })

test('chunks of any sizes arrive in their order', async () => {
  const random = randomFrom(SEED)
  for (let run = 0; run < 20; run++) {
    const sizes = Array.from({ length: 2 + Math.floor(random() * 12) }, () =>
      Math.ceil(random() * (random() < 0.5 ? 100 : 20_000)),
    )
    const { got, written } = await send(sizes)
    assert.ok(got.equals(written), `${sizes}`)
  }
})

test.run()
