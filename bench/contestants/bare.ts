import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { type Dispatcher, Pool } from 'undici'

// The smallest relay of node:http and undici, without any feature: no key, no limits, no log. It has only what a relay
// needs: a slow client makes the upstream wait, and a client that leaves cancels its request.

const [port = 0, upstreamPort = 0] = process.argv.slice(2, 4).map(Number)
/** The certificate of an upstream that is asked by HTTPS. */
const caFile = process.argv[4]

const pool = new Pool(`${caFile === undefined ? 'http' : 'https'}://127.0.0.1:${upstreamPort}`, {
  ...(caFile === undefined ? {} : { connect: { ca: readFileSync(caFile, 'utf8'), servername: 'localhost' } }),
  connections: null,
  pipelining: 1,
  keepAliveTimeout: 55_000,
})

createServer({ noDelay: true, keepAliveTimeout: 75_000 }, (req, res) => {
  const pieces: Buffer[] = []
  req.on('data', (piece: Buffer) => pieces.push(piece))
  req.on('end', () => {
    let upstream: Dispatcher.DispatchController | undefined
    let over = false
    res.on('drain', () => upstream?.resume())
    res.on('close', () => {
      if (!over) upstream?.abort(new Error('the client has left'))
    })
    pool.dispatch(
      {
        method: 'POST',
        path: req.url ?? '/',
        headers: ['content-type', 'application/json'],
        body: Buffer.concat(pieces),
      },
      {
        onRequestStart(controller) {
          upstream = controller
        },
        onResponseStart(controller, status) {
          const headers: string[] = []
          const raw = (controller.rawHeaders ?? []) as Buffer[]
          for (let i = 0; i < raw.length; i += 2) {
            const name = (raw[i] as Buffer).toString('latin1')
            const lower = name.toLowerCase()
            if (lower === 'connection' || lower === 'transfer-encoding') continue
            headers.push(name, (raw[i + 1] as Buffer).toString('latin1'))
          }
          res.writeHead(status, headers)
        },
        onResponseData(controller, piece) {
          if (!res.write(piece)) controller.pause()
        },
        onResponseEnd() {
          over = true
          res.end()
        },
        onResponseError() {
          over = true
          res.destroy()
        },
      },
    )
  })
}).listen({ port, host: '127.0.0.1', backlog: 4_096 })
