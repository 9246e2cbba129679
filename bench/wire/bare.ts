import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Pool } from 'undici'

// The baseline: node:http in front of undici's dispatch, and not one feature. What a relay in Node costs at the least.

const pool = new Pool(process.argv[2] ?? '', { connections: null, pipelining: 1, keepAliveTimeout: 55_000 })

const server = createServer((req, res) => {
  const pieces: Buffer[] = []
  req.on('data', (piece: Buffer) => pieces.push(piece))
  req.on('end', () => {
    pool.dispatch(
      {
        method: 'POST',
        path: req.url ?? '/',
        headers: ['content-type', 'application/json'],
        body: Buffer.concat(pieces),
      },
      {
        onRequestStart() {},
        onResponseStart(controller, status) {
          const raw = (controller.rawHeaders ?? []) as Buffer[]
          res.writeHead(
            status,
            raw.map((value) => value.toString('latin1')).filter((_, i, all) => all[i & ~1] !== 'Connection'),
          )
        },
        onResponseData(_controller, piece) {
          res.write(piece)
        },
        onResponseEnd() {
          res.end()
        },
        onResponseError() {
          res.destroy()
        },
      },
    )
  })
})
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port))
process.on('disconnect', () => process.exit(0))
