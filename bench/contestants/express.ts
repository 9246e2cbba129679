import { Agent } from 'node:http'
import axios from 'axios'
import express from 'express'

// The relay that many start with: a route, a parsed body, a piped response. It has keep-alive, which is usually added
// soon.

const [port, upstreamPort] = process.argv.slice(2).map(Number)

const upstream = axios.create({
  baseURL: `http://127.0.0.1:${upstreamPort}`,
  httpAgent: new Agent({ keepAlive: true }),
  responseType: 'stream',
  maxBodyLength: Number.POSITIVE_INFINITY,
  validateStatus: () => true,
  proxy: false,
})

const app = express()
app.use(express.json({ limit: '32mb' }))
app.post('/v1/chat/completions', async (req, res) => {
  try {
    const leaving = new AbortController()
    res.on('close', () => leaving.abort())
    const answer = await upstream.post(req.path, req.body, { signal: leaving.signal })
    res.status(answer.status)
    res.set('content-type', String(answer.headers['content-type']))
    answer.data.on('error', () => res.destroy())
    answer.data.pipe(res)
  } catch {
    if (!res.headersSent) res.status(502)
    res.end()
  }
})
app.listen(port ?? 0, '127.0.0.1')
