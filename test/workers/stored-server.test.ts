import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { OwnObjectBooks } from '../../src/stored/object-books.js'
import type { StoredObject } from '../../src/stored/object-map.js'
import { createLinkPair } from '../../src/workers/link.js'
import { RemoteObjectBooks } from '../../src/workers/remote-object-books.js'
import { StoredServer } from '../../src/workers/stored-server.js'
import { fc } from '../support/property.js'

const BOUNDS = { objects: 1_000, days: 30 }
const LOG = { warn() {}, info() {} }

function createObject(id: string, owner = 'team1', isBilled = false): StoredObject {
  return { id, owner, key: `key-${owner}`, upstream: 'up', madeAt: Date.now(), isBilled }
}

/** A worker: what it has seen and not told is in `seen`, as of a stream that is under way. */
function createWorker(server: StoredServer) {
  const [primary, link] = createLinkPair()
  server.follow(primary)
  const books = new RemoteObjectBooks(link, BOUNDS)
  const seen = new Map<string, StoredObject>()
  books.answerWith(async (ids) => {
    for (const id of ids) {
      const object = seen.get(id)
      if (object !== undefined) books.add(object)
    }
  })
  return { books, seen, link }
}

function createScene(count: number, lookMs?: number) {
  const own = new OwnObjectBooks(BOUNDS, null, LOG, () => {})
  const server = new StoredServer(own, lookMs)
  return { own, server, workers: Array.from({ length: count }, () => createWorker(server)) }
}

test('an object that a worker has seen, and has told nobody of, is known to another one that asks for it', async () => {
  const { workers } = createScene(3)
  const [one, two] = workers
  one?.seen.set('resp_1', createObject('resp_1'))
  assert.is(two?.books.find('resp_1'), null)
  await two?.books.ask(['resp_1'])
  assert.is(two?.books.find('resp_1')?.owner, 'team1')
})

test('an id that nobody knows is not known after all have been asked, also if one of them ends', async () => {
  const { workers } = createScene(3, 3_600_000)
  const [one, two] = workers
  await two?.books.ask(['resp_1'])
  assert.is(two?.books.find('resp_1'), null)
  one?.books.answerWith(() => new Promise(() => {}))
  const asked = two?.books.ask(['resp_1'])
  one?.link.cut()
  await asked
})

test('where a worker does not answer, it is not taken for granted that nobody knows an id', async () => {
  const { workers } = createScene(2, 5)
  const [one, two] = workers
  one?.books.answerWith(() => new Promise(() => {}))
  let isRefused = false
  await two?.books.ask(['resp_1']).catch(() => {
    isRefused = true
  })
  assert.ok(isRefused)
})

test('one owner has an id, whichever workers make it at one time', async () => {
  const { workers, own } = createScene(2)
  const [one, two] = workers
  one?.books.add(createObject('same', 'team1'))
  two?.books.add(createObject('same', 'team2'))
  await Promise.all([one?.books.ask(['same']), two?.books.ask(['same'])])
  const owners = [one?.books.find('same')?.owner, two?.books.find('same')?.owner, own.find('same')?.owner]
  assert.is(new Set(owners).size, 1)
})

/** Workers make, look for, and claim objects; one of them may end. */
const STEPS = fc.array(
  fc.tuple(
    fc.nat(2),
    fc.constantFrom('make', 'see', 'claim', 'claim', 'claimOther', 'pause', 'end'),
    fc.nat(3),
  ),
  { maxLength: 40 },
)

test('the tokens of an object are in one record at most, and in one if its own team has seen them', () =>
  fc.assert(
    fc.asyncProperty(STEPS, async (steps) => {
      const scene = createScene(3)
      const { workers, server } = scene
      const granted = new Map<string, number>()
      const waiting: Promise<void>[] = []
      const claim = (n: number, id: string, owner: string): void => {
        const asked = async (): Promise<void> => {
          const books = workers[n]?.books
          await books?.ask([id]).catch(() => {})
          const object = (await books?.claim(id, owner)) ?? null
          if (object === null) return
          assert.is(owner, 'team1')
          granted.set(id, (granted.get(id) ?? 0) + 1)
        }
        waiting.push(asked())
      }
      const known = new Set<string>()
      for (const [n, what, object] of steps) {
        const id = `resp_${object}`
        if (what === 'make') workers[n]?.books.add(createObject(id))
        else if (what === 'see') workers[n]?.seen.set(id, createObject(id))
        else if (what === 'claim') claim(n, id, 'team1')
        else if (what === 'claimOther') claim(n, id, 'team2')
        else if (what === 'pause') await new Promise((resolve) => setImmediate(resolve))
        else {
          workers[n]?.link.cut()
          workers[n] = createWorker(server)
        }
      }
      await Promise.all(waiting)
      // All that is known by now is claimed once more.
      for (const id of ['resp_0', 'resp_1', 'resp_2', 'resp_3']) {
        await workers[0]?.books.ask([id])
        if (workers[0]?.books.find(id) != null) known.add(id)
        claim(0, id, 'team1')
      }
      await Promise.all(waiting)
      const hasEnded = steps.some(([, what]) => what === 'end')
      for (const count of granted.values()) assert.is(count, 1)
      if (!hasEnded) for (const id of known) assert.is(granted.get(id), 1, id)
    }),
    { numRuns: 60 },
  ))

test.run()
