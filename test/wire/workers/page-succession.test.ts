import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ADMIN, ADMIN_TOKEN, pagePortOf, Visitor } from '../../support/page/visitor.js'
import { open, type Place } from '../../support/thinwire.js'
import { clearOne, openHeld, replace, startOne } from './succession-scene.js'

const test = suite<Place>('the page when a new process takes over')

test.before.each(open)
test.after.each(clearOne)

/** Requests that a browser sends at most until it has found the new process. */
const FEW = 3

test('each of ten viewers is at the new process within a few requests, however its connection was used', async (place) => {
  const { thinwire, last } = await startOne(place, { admin: ADMIN }, { ADMIN_TOKEN })
  const port = pagePortOf(thinwire)
  const signIn = (count: number): Promise<Visitor[]> =>
    Promise.all(Array.from({ length: count }, () => Visitor.signIn(port)))
  const [idle, lookers, silent] = [await signIn(4), await signIn(3), await signIn(3)]
  const before = new Set(await Promise.all([...idle, ...lookers].map((one) => one.askStart())))
  assert.is(before.size, 1)
  for (const one of lookers) await one.look()
  for (const one of silent) await one.connect()
  // It keeps the old process from its end.
  const stream = await openHeld(place, thinwire)
  await replace(thinwire)
  const counts = await Promise.all(
    [...idle, ...lookers, ...silent].map(async (one) => {
      for (let count = 1; count <= FEW; count++) if (!before.has(await one.askStart())) return count
      return Number.POSITIVE_INFINITY
    }),
  )
  assert.ok(
    counts.every((count) => count <= FEW),
    String(counts),
  )
  for (const one of lookers) await one.look()
  assert.not.ok(thinwire.lines.some(({ msg }) => msg === 'ended'))
  last.open()
  assert.ok((await stream.response()).complete)
  stream.destroy()
})

test.run()
