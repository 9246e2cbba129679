import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

// The upstream of the wire benches, in a process of its own: a fixed JSON answer, or one event stream per request.

const answer = Buffer.alloc(1024, 'x')

const server = createServer((req, res) => {
  req.resume()
  req.on('end', () => {
    if (req.url?.endsWith('/stream')) {
      res.writeHead(200, { 'content-type': 'text/event-stream' })
      res.write('data: {"choices":[{"delta":{"content":"a"}}]}\n\n')
      res.end('data: [DONE]\n\n')
      return
    }
    res.writeHead(200, { 'content-type': 'application/json', 'content-length': answer.length })
    res.end(answer)
  })
})
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port))
process.on('disconnect', () => process.exit(0))
