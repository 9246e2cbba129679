import { connect } from 'node:net'
import { startRelay } from '../support/relay.js'
import { CHUNKED, ScriptedUpstream, whole } from '../support/upstream.js'
import { cut } from './mutate.js'
import type { OpenTarget } from './targets.js'

/** Stands for a key in the inputs: the relay's own is another one in each run. */
const KEY = 'lc_test_team1_user1_KEYKEYKEYKEYKEYKEYKEYKEYKEYK'

const BODY = '{"model":"m","messages":[]}'

export const REQUESTS: readonly Buffer[] = [
  `GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n`,
  `GET /v1/models HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${KEY}\r\n\r\nGET /readyz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`,
  `POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nx-api-key: ${KEY}\r\ncontent-length: ${BODY.length}\r\n\r\n${BODY}`,
  `POST /v1/messages HTTP/1.1\r\nhost: a\r\nx-api-key: ${KEY}\r\n${CHUNKED}\r\n\r\n1b;a=b\r\n${BODY}\r\n0\r\nx: y\r\n\r\n`,
  `POST /cursor/v1/chat/completions HTTP/1.0\r\nauthorization: Bearer ${KEY}\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n{}`,
  `GET /v1/realtime?model=m HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
  `OPTIONS * HTTP/1.1\r\nhost: a\r\norigin: https://b\r\n\r\n`,
].map((text) => Buffer.from(text))

/** Milliseconds that a connection is kept open after its last byte, if the relay waits for more. */
const PATIENCE_MS = 15

/**
 * A whole relay: whatever a connection sends, the relay answers in HTTP or not at all, and goes on answering others.
 */
export async function openListener(): Promise<OpenTarget> {
  const upstream = await ScriptedUpstream.start(async (request) => {
    await request.write(whole('200 OK', '{}', 'content-type: application/json'))
  })
  const relay = await startRelay(upstream.url, { log: { level: 'silent' } })
  const key = Buffer.from(relay.key)
  return {
    async take(input) {
      const answer = await exchange(relay.port, withKey(input, key))
      if (answer.length > 0 && !answer.toString('latin1').startsWith('HTTP/1.1 '))
        throw new Error(`the answer is no HTTP: ${answer.toString('latin1').slice(0, 200)}`)
      const health = await exchange(relay.port, HEALTH)
      if (!health.toString('latin1').startsWith('HTTP/1.1 200 '))
        throw new Error(`the relay is ill: ${health}`)
      relay.lines.length = 0
    },
    async close() {
      await relay.close()
      await upstream.close()
    },
  }
}

const HEALTH = Buffer.from('GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n')

/** Keys may be of unlike lengths; nothing in an input counts the bytes of its headers. */
function withKey(input: Buffer, key: Buffer): Buffer {
  return Buffer.from(input.toString('latin1').replaceAll(KEY, key.toString()), 'latin1')
}

function exchange(port: number, bytes: Buffer): Promise<Buffer> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    const answer: Buffer[] = []
    socket.setNoDelay(true)
    socket.on('data', (piece) => void answer.push(piece))
    socket.on('error', () => {})
    socket.on('close', () => resolve(Buffer.concat(answer)))
    const pieces = bytes.length > 200 ? [bytes] : cut(bytes)
    for (const piece of pieces) socket.write(piece)
    if (bytes !== HEALTH) setTimeout(() => socket.destroy(), PATIENCE_MS)
  })
}
