import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Faults } from '../support/front.js'
import { behind, clearWard, closeWard, openWard, type Ward } from '../support/ward.js'

const test = suite<Ward>('doctor: streams')

test.before(openWard)
test.after.each(clearWard)
test.after(closeWard)

/** Answers of a stream as some API has them. */
function answering(events: (body: Record<string, unknown>) => unknown[]): Faults {
  return {
    respond: (req, res) => {
      if (req.method !== 'POST' || req.headers.authorization === undefined) return false
      let text = ''
      req.on('data', (piece) => {
        text += piece
      })
      req.on('end', () => {
        const body = JSON.parse(text) as Record<string, unknown>
        if (body.stream !== true) {
          res.writeHead(200, { 'content-type': 'application/json', 'access-control-allow-origin': '*' })
          res.end('{"object":"chat.completion","choices":[]}')
          return
        }
        res.writeHead(200, { 'content-type': 'text/event-stream' })
        for (const event of events(body)) {
          res.write(`data: ${typeof event === 'string' ? event : JSON.stringify(event)}\n\n`)
        }
        res.end()
      })
      return true
    },
  }
}

const chunk = (delta: unknown, reason: string | null = null): unknown => ({
  object: 'chat.completion.chunk',
  choices: [{ index: 0, delta, finish_reason: reason }],
})

test('a stream that a client could not read is reported with the reason', async (ward) => {
  const stream = async (...events: unknown[]): Promise<string> =>
    (
      await behind(
        ward,
        answering(() => events),
      )
    ).find('stream')
  assert.match(
    await stream(chunk({}), { error: { message: 'Overloaded.' } }),
    /^failed: 200, then an error: Overloaded/,
  )
  const call = { tool_calls: [{ id: 'c', function: { name: 'f', arguments: '' } }] }
  assert.match(await stream(chunk(call), chunk({}, 'stop'), '[DONE]'), /^failed: .*tool_calls without index/)
  assert.match(await stream(chunk({})), /^warning: .*without finish_reason and \[DONE\]/)
  assert.match(await stream(), /^failed: 200, but without any event/)
})

test.run()
