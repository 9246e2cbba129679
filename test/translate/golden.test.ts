import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { detectBodyApi } from '../../src/translate/request/detect-api.js'
import type { CreateTranslation } from '../../src/translate/translation.js'
import { cutAt } from '../support/cuts.js'
import { randomFrom, SEED } from '../support/random.js'
import {
  attempt,
  type GoldenCase,
  type GoldenFile,
  goldenFile,
  isStreamForClient,
  listGolden,
  planRequest,
  readCases,
  readGolden,
  respond,
  type Side,
  writeGolden,
} from './golden-case.js'

// `UPDATE_GOLDEN=1 node dist/test/run.js golden` rewrites the golden files; the diff shows what has changed.

const UPDATE = process.env.UPDATE_GOLDEN === '1'

/**
 * A response of at most so many bytes is cut at every byte, a longer one at as many random places. They are the same in
 * each run, and the seed is printed where a test fails.
 */
const CUTS = 250
/** How often a response is cut at up to 20 places at once. */
const SCATTERED_CUTS = 25

const CASES = readCases()

function requireGolden(name: string, side: Side, file: GoldenFile): void {
  if (UPDATE) writeGolden(name, side, file)
  assert.equal(listGolden(name, side), [`${side}${file.suffix}`])
  assert.is(file.text, readGolden(name, side, file))
}

/** Places to cut a response at, each alone. */
function placesIn(length: number): number[] {
  if (length <= CUTS) return Array.from({ length: length + 1 }, (_, at) => at)
  const random = randomFrom(SEED)
  return Array.from({ length: CUTS }, () => Math.floor(random() * (length + 1)))
}

function scatteredPlaces(length: number): number[][] {
  const random = randomFrom(SEED + 1)
  return Array.from({ length: SCATTERED_CUTS }, () => {
    const count = 1 + Math.floor(random() * 20)
    const places = Array.from({ length: count }, () => Math.floor(random() * (length + 1)))
    return places.sort((a, b) => a - b)
  })
}

/** Compared as bytes: a difference is shown with the place of the cut. */
function requireSame(actual: Buffer, expected: Buffer, where: string): void {
  if (!actual.equals(expected)) assert.is(actual.toString(), expected.toString(), where)
}

for (const golden of CASES) {
  const { name, setup, upstreamResponse } = golden

  test(`${name}: ${setup.title}`, () => {
    const outbound = planRequest(golden)
    const { path, body, translate } = attempt(golden, outbound)
    assert.is(path, setup.path)
    requireGolden(name, 'upstream-request', goldenFile(body, false))
    const response = respond(golden, translate, [upstreamResponse])
    requireGolden(name, 'client-response', goldenFile(response, isStreamForClient(setup, translate)))
  })

  test(`${name}: another attempt sends the same bytes and answers the same`, () => {
    const outbound = planRequest(golden)
    const first = attempt(golden, outbound)
    const response = respond(golden, first.translate, [upstreamResponse])
    // A hedge runs beside the first attempt, a retry behind it, and a restarted relay begins with nothing.
    for (const other of [attempt(golden, outbound), attempt(golden, planRequest(golden))]) {
      assert.is(other.body.toString(), first.body.toString())
      requireSame(respond(golden, other.translate, [upstreamResponse]), response, 'another attempt')
    }
  })

  test(`${name}: the client gets the same bytes however the response is cut`, () => {
    requireSameHoweverCut(golden, attempt(golden, planRequest(golden)).translate)
  })

  if ((setup.ending ?? 'complete') !== 'complete') continue
  test(`${name}: a response that breaks off gives a part of the whole, and never its end`, () => {
    const { translate } = attempt(golden, planRequest(golden))
    const whole = respond(golden, translate, [upstreamResponse])
    for (const at of placesIn(upstreamResponse.length - 1)) {
      const part = respond(golden, translate, [upstreamResponse.subarray(0, at)], 'cut')
      const seen = setup.requestUsage ? wholeEvents(part) : part
      requireSame(seen, whole.subarray(0, seen.length), `broken off at ${at}`)
    }
  })
}

/** The beginning of a chunk may leave before it shows that it is the usage chunk; no reader takes it for an event. */
function wholeEvents(stream: Buffer): Buffer {
  return stream.subarray(0, stream.lastIndexOf('\n\n') + 2)
}

function requireSameHoweverCut(golden: GoldenCase, translate: CreateTranslation | null): void {
  const { upstreamResponse } = golden
  const { length } = upstreamResponse
  const whole = respond(golden, translate, [upstreamResponse])
  const cuts = [...placesIn(length).map((at) => [at]), ...scatteredPlaces(length)]
  for (const places of cuts)
    requireSame(respond(golden, translate, cutAt(upstreamResponse, places)), whole, `cut at ${places}`)
  const bytes = Array.from(upstreamResponse, (_, at) => upstreamResponse.subarray(at, at + 1))
  requireSame(respond(golden, translate, bytes), whole, 'cut at every byte')
}

test('each way through the translation has a golden case that streams and one that does not', () => {
  const ways = CASES.map((golden) => {
    const { setup, request } = golden
    const streams = isStreamForClient(setup, attempt(golden, planRequest(golden)).translate)
    return `${detectBodyApi(request)} to ${setup.path}, ${streams ? 'stream' : 'whole'}`
  })
  const pairs = [
    ...['chat to /chat/completions', 'responses to /responses', 'messages to /messages'],
    ...['responses to /chat/completions', 'messages to /chat/completions'],
  ]
  const wanted = pairs.flatMap((pair) => [`${pair}, stream`, `${pair}, whole`])
  assert.equal(
    wanted.filter((way) => !ways.includes(way)),
    [],
  )
})

test.run()
