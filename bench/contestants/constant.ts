import { createServer } from 'node:http'
import { answerBody } from '../wire/answer.js'
import { SHORT_ANSWER } from '../wire/plan.js'

// The limit for a response from memory on node:http: a constant response with as many header lines as a cache hit of
// Thinwire. It does not parse the request, but waits for its end, as every server has to.

const body = Buffer.from(answerBody(SHORT_ANSWER.json), 'latin1')

const headers = [
  ['content-type', 'application/json'],
  ['x-request-id', 'req_bench'],
  ['openai-processing-ms', '12'],
  ['server-timing', 'admit;dur=0.05, read;dur=0.02, route;dur=0.01'],
  ['access-control-allow-origin', '*'],
  ['age', '0'],
  ['x-thinwire-cache', 'none'],
  ['content-length', String(body.length)],
].flat()

createServer({ noDelay: true, keepAliveTimeout: 75_000 }, (req, res) => {
  req.on('end', () => {
    res.writeHead(200, headers)
    res.end(body)
  })
  req.resume()
}).listen({ port: Number(process.argv[2]), host: '127.0.0.1', backlog: 4_096 })
