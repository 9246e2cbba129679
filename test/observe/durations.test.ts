import { Histogram, Registry } from 'prom-client'
import { test } from 'uvu'
import { is } from 'uvu/assert'
import { Durations } from '../../src/observe/durations.js'
import { fc } from '../support/property.js'

const BOUNDS = [0.005, 0.1, 1, 60]

test('durations are shown as a histogram of prom-client shows them, to the last digit', () => {
  const ms = fc.oneof(
    fc.double({ min: 0, max: 200_000, noNaN: true }),
    fc.constantFrom(0, 5, 100, 1_000, 60_000),
  )
  const upstream = fc.constantFrom('', 'openai', 'a"b\\c')
  return fc.assert(
    fc.asyncProperty(fc.boolean(), fc.array(fc.tuple(upstream, ms)), async (isLabelled, observed) => {
      const [ours, theirs] = [new Registry(), new Registry()]
      const durations = new Durations(ours, 'x_seconds', 'Time.', BOUNDS, isLabelled)
      const histogram = new Histogram({
        name: 'x_seconds',
        help: 'Time.',
        labelNames: isLabelled ? ['upstream'] : [],
        buckets: BOUNDS,
        registers: [theirs],
      })
      for (const [name, time] of observed) {
        durations.observe(isLabelled ? name : '', time)
        if (isLabelled) histogram.observe({ upstream: name }, time / 1_000)
        else histogram.observe(time / 1_000)
      }
      is(await ours.metrics(), await theirs.metrics())
    }),
  )
})

test.run()
