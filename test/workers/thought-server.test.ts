import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Thought } from '../../src/translate/thinking/thought-memory.js'
import { createLinkPair } from '../../src/workers/link.js'
import { RemoteThoughts } from '../../src/workers/remote-thoughts.js'
import { ThoughtServer } from '../../src/workers/thought-server.js'
import { fc } from '../support/property.js'

const BOUNDS = { maxBytes: 1_000_000, maxAgeMs: 1_000_000 }

function createScene(count: number, syncMs = 3_600_000) {
  const server = new ThoughtServer(BOUNDS, () => {}, syncMs)
  const workers = Array.from({ length: count }, () => {
    const [primary, link] = createLinkPair()
    server.follow(primary)
    return { thoughts: new RemoteThoughts(link, 3_600_000), link }
  })
  return { server, workers }
}

const think = (text: string): Thought => ({
  upstream: 'up',
  model: 'm',
  api: 'chat',
  json: JSON.stringify(text),
})

function chat(user: string, calls: readonly string[]): Buffer {
  const turns = calls.flatMap((id) => [
    {
      role: 'assistant',
      content: null,
      tool_calls: [{ id, type: 'function', function: { name: 'f', arguments: '{}' } }],
    },
    { role: 'tool', tool_call_id: id, content: 'found' },
  ])
  return Buffer.from(JSON.stringify({ messages: [{ role: 'user', content: user }, ...turns] }))
}

type Worker = ReturnType<typeof createScene>['workers'][number]

function remember(worker: Worker | undefined, body: Buffer, id: string, text: string, owner = 'team'): void {
  worker?.thoughts.open(owner, body).openRecorder().remember(id, think(text))
}

async function find(
  worker: Worker | undefined,
  body: Buffer,
  id: string,
  owner = 'team',
): Promise<string | null> {
  const memory = worker?.thoughts.open(owner, body)
  await memory?.whenReady()
  const json = memory?.find({ id, message: 1 })?.json ?? null
  return json === null ? null : JSON.parse(json)
}

test('the next turn of a conversation finds its thinking at another worker at once, and another team never does', async () => {
  const { workers } = createScene(3)
  remember(workers[0], chat('hi', []), 'call_0', 'because')
  const next = chat('hi', ['call_0'])
  assert.is(await find(workers[1], next, 'call_0'), 'because')
  assert.is(await find(workers[0], next, 'call_0'), 'because')
  assert.is(await find(workers[2], next, 'call_0', 'other'), null)
})

test('of two conversations that cannot be told apart none gets the thinking of the other, whichever workers they are at', async () => {
  const { workers } = createScene(3)
  remember(workers[0], chat('hi', []), 'call_0', 'one')
  remember(workers[1], chat('hi', []), 'call_0', 'two')
  assert.is(await find(workers[2], chat('hi', ['call_0']), 'call_0'), null)
})

test('a request goes without its thinking where a worker does not answer, and waits for none that has ended', async () => {
  const late = createScene(2, 5)
  late.workers[0]?.link.receive('thoughts', () => {})
  remember(late.workers[1], chat('hi', []), 'call_0', 'because')
  assert.is(await find(late.workers[1], chat('hi', ['call_0']), 'call_0'), null)
  const { workers } = createScene(2)
  workers[0]?.link.receive('thoughts', () => {})
  remember(workers[1], chat('hi', []), 'call_0', 'because')
  const found = find(workers[1], chat('hi', ['call_0']), 'call_0')
  workers[0]?.link.cut()
  assert.is(await found, 'because')
})

const STEPS = fc.array(fc.tuple(fc.nat(2), fc.nat(3), fc.boolean()), { minLength: 1, maxLength: 30 })

test('conversations with the same call ids keep their own thinking across workers, however they are interleaved', () =>
  fc.assert(
    fc.asyncProperty(STEPS, async (steps) => {
      const { workers } = createScene(3)
      const thought = new Set<number>()
      const checks: Promise<void>[] = []
      for (const [n, user, pauses] of steps) {
        const name = `user ${user}`
        if (thought.has(user)) {
          const check = async (): Promise<void> =>
            assert.is(await find(workers[n], chat(name, ['call_0']), 'call_0'), `thought of ${user}`)
          checks.push(check())
        } else {
          remember(workers[n], chat(name, []), 'call_0', `thought of ${user}`)
          thought.add(user)
        }
        if (pauses) await new Promise((resolve) => setImmediate(resolve))
      }
      await Promise.all(checks)
    }),
    { numRuns: 60 },
  ))

test.run()
