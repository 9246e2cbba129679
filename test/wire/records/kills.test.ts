import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { chatting, get, records, UPSTREAM_KEY } from '../../support/crashes.js'
import { clear, open, type Place, runUsage, started } from '../../support/thinwire.js'
import { until } from '../../support/until.js'

const test = suite<Place>('kills')

const KILLS = 8

test.before.each(open)
test.after.each(clear)

test('under load, eight kills lose only what was answered a moment before', async (place) => {
  const { thinwire: idle } = await chatting(place)
  await idle.kill()
  const answeredAt = new Map<string, number>()
  const ages: number[] = []
  let sent = 0
  for (let round = 0; round < KILLS; round++) {
    const thinwire = await started(place, [], { UPSTREAM_KEY })
    let isOver = false
    const load = Array.from({ length: 8 }, async () => {
      while (!isOver) {
        const path = `r/${sent++}`
        try {
          await get(thinwire, path)
          answeredAt.set(`/${path}`, performance.now())
        } catch {
          return
        }
      }
    })
    const enough = answeredAt.size + 100
    await until(() => answeredAt.size >= enough, 'some answers')
    const killedAt = performance.now()
    await thinwire.kill()
    isOver = true
    await Promise.all(load)
    const routes = new Set(records(place).map(({ route }) => String(route)))
    for (const [route, at] of answeredAt) {
      if (routes.has(`/v1${route}`) || routes.has(route)) continue
      ages.push(killedAt - at)
      answeredAt.delete(route)
    }
  }
  // Far more than `flushMs`, as the machine may be busy; far less than a run.
  for (const age of ages) assert.ok(age < 1_000, `lost a record of an answer that was ${age} ms old`)
  assert.ok(ages.length < sent / 2)
  const { code, out } = await runUsage(place, ['verify', '--json'])
  const { gaps, starts } = JSON.parse(out) as { gaps: unknown[]; starts: { kind: string }[] }
  assert.equal(gaps, [])
  assert.is(starts.filter(({ kind }) => kind === 'killed').length, KILLS)
  // The last one was followed by no start.
  assert.is(starts.filter(({ kind }) => kind === 'incomplete').length, 1)
  assert.is(code, 1)
})

test.run()
