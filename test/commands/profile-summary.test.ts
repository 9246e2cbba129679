import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ACTIVITY_OF_CODE, ACTIVITY_OF_LOOP } from '../../src/commands/profile-phases.js'
import { type CpuProfile, parseProfile, summarizeProfile } from '../../src/commands/profile-summary.js'
import { formatSummary, shareOut } from '../../src/commands/profile-text.js'
import { fc } from '../support/property.js'

const SRC = fileURLToPath(new URL('../../../src/', import.meta.url))
const ROOT = 'file:///opt/thinwire/dist/src/'
const UNDICI = 'file:///opt/thinwire/node_modules/undici/lib/dispatcher/client-h1.js'

type Call = readonly [functionName: string, url: string]

/** A profile in which each stack, outermost first, was seen for so many milliseconds. */
function profileOf(stacks: ReadonlyArray<readonly [ms: number, ...calls: Call[]]>): CpuProfile {
  const nodes: { id: number; callFrame: CpuProfile['nodes'][0]['callFrame']; children: number[] }[] = []
  const create = ([functionName, url]: Call): number => {
    nodes.push({ id: nodes.length + 1, callFrame: { functionName, url, lineNumber: 4 }, children: [] })
    return nodes.length
  }
  create(['(root)', ''])
  const samples: number[] = []
  const timeDeltas: number[] = []
  let before = 0
  for (const [ms, ...calls] of stacks) {
    let at = 1
    for (const call of calls) {
      const id = create(call)
      nodes[at - 1]?.children.push(id)
      at = id
    }
    samples.push(at)
    timeDeltas.push(before)
    before = ms * 1_000
  }
  const total = stacks.reduce((sum, [ms]) => sum + ms * 1_000, 0)
  return { nodes, samples, timeDeltas, startTime: 5_000, endTime: 5_000 + total }
}

const own = (path: string, name = 'f'): Call => [name, `${ROOT}${path}`]

/** What the time of a stack was for. */
function activityOf(...calls: Call[]): string {
  const { phases } = summarizeProfile(profileOf([[1, ...calls]]))
  return phases
    .filter(({ ms }) => ms > 0)
    .map(({ name }) => name)
    .join(' ')
}

test('the innermost function that is for one phase alone tells what a stack was for', () => {
  const server: Call = ['parserOnIncoming', 'node:_http_server']
  const handler = own('server/request-handler.js', 'handle')
  assert.is(activityOf(server), 'socket')
  assert.is(activityOf(server, handler), 'admit')
  assert.is(activityOf(server, handler, own('access/keyring.js')), 'admit')
  assert.is(activityOf(own('relay/request-body.js', 'onData'), own('json/peek.js')), 'read')
  const execute = own('server/request-handler.js', 'execute')
  assert.is(activityOf(own('relay/request-body.js', 'onEnd'), execute, own('server/plan.js')), 'plan')
  assert.is(activityOf(execute, own('server/limit-gate.js'), own('limits/limiter.js')), 'plan')
  assert.is(activityOf(own('server/recorder.js'), own('limits/limiter.js')), 'record')
  assert.is(activityOf(execute, own('cache/response-cache.js'), own('lib/bytes.js')), 'cache')
  const dispatch = own('upstream/upstream.js', 'dispatch')
  assert.is(activityOf(execute, dispatch, ['write', UNDICI], ['writev', '']), 'attempt')
  assert.is(activityOf(['onStreamRead', 'node:internal/stream_base_commons'], ['execute', UNDICI]), 'respond')
  const response = [['execute', UNDICI] as const, own('relay/attempt.js', 'onHeaders')] as const
  assert.is(activityOf(...response, own('http/response-headers.js')), 'respond')
  assert.is(activityOf(...response, own('metering/stream-meter.js'), own('sse/reader.js')), 'meter')
  assert.is(activityOf(own('ledger/write/ledger.js'), own('lib/text.js')), 'record')
  assert.is(activityOf(own('relay/request-body.js'), own('relay/byte-budget.js')), 'read')
  assert.is(activityOf(['listOnTimeout', 'node:internal/timers']), 'other')
  assert.is(activityOf(['(garbage collector)', '']), 'collect')
  assert.is(activityOf(['(program)', '']), 'native')
  assert.is(activityOf(), 'native')
})

test('time is summed up by module, also where Thinwire itself is an installed package', () => {
  const summary = summarizeProfile(
    profileOf([
      [1, own('json/peek.js')],
      [2, ['f', 'file:///app/node_modules/thinwire/dist/src/json/peek.js']],
      [4, ['f', 'file:///app/node_modules/thinwire/node_modules/undici/lib/core/util.js']],
      [8, ['f', 'file:///app/node_modules/@scope/name/dist/src/x.js']],
      [16, ['f', 'node:internal/streams/readable']],
      [32, ['f', 'node:net']],
      [64, ['writev', '']],
      [128, ['(garbage collector)', '']],
      [256, ['(idle)', '']],
      [512, own('cli.js')],
      [1_024, ['f', 'file:///elsewhere/x.js']],
    ]),
  )
  assert.equal(Object.fromEntries(summary.modules.map(({ name, ms }) => [name, ms])), {
    'other code': 1_024,
    'cli.js': 512,
    'garbage collector': 128,
    'native code': 64,
    'node:net': 32,
    'node:internal/streams': 16,
    '@scope/name': 8,
    undici: 4,
    json: 3,
  })
  assert.is(summary.idle_ms, 256)
  assert.is(summary.functions[0]?.name, 'f other code/x.js:5')
  assert.is(summary.functions[1]?.name, 'f cli.js:5')
})

const call = (): fc.Arbitrary<Call> =>
  fc.constantFrom<Call>(
    own('json/peek.js'),
    own('relay/client-writer.js'),
    own('server/plan.js'),
    ['execute', UNDICI],
    ['f', 'node:net'],
    ['writev', ''],
    ['(idle)', ''],
    ['(program)', ''],
    ['', 'file:///elsewhere/x.js'],
  )
const stacks = () =>
  fc.array(fc.tuple(fc.double({ min: 0, max: 50, noNaN: true }), fc.array(call(), { maxLength: 6 })), {
    maxLength: 30,
  })

test('the shares of each list add up to all of the time, and to 100 %, for any profile', () => {
  fc.assert(
    fc.property(stacks(), fc.boolean(), (seen, isOfRelay) => {
      const profile = profileOf(seen.map(([ms, calls]) => [ms, ...calls]))
      const facts = { version: '1', seconds: 1, requests: 3, cpu_us: 5 }
      const summary = summarizeProfile(isOfRelay ? { ...profile, thinwire: facts } : profile)
      const { phases, modules, functions, busy_ms, idle_ms, total_ms } = summary
      const near = (a: number, b: number): boolean => Math.abs(a - b) < 1e-6
      for (const shares of [phases, modules, functions])
        assert.ok(
          near(
            shares.reduce((sum, { ms }) => sum + ms, 0),
            busy_ms,
          ),
        )
      assert.ok(near(busy_ms + idle_ms, total_ms))
      assert.ok(
        near(
          total_ms,
          seen.reduce((sum, [ms]) => sum + ms, 0),
        ),
      )
      const text = formatSummary(summary)
      for (const line of text.split('\n')) assert.ok(line.length <= 80, line)
      for (const table of text.split('\n\n').slice(1)) {
        const tenths = [...table.matchAll(/^.{49} +[\d.]+ +(\d+)\.(\d)(?: |$)/gm)].map(
          ([, whole, tenth]) => Number(whole) * 10 + Number(tenth),
        )
        const all = tenths.pop()
        assert.is(
          tenths.reduce((sum, each) => sum + each, 0),
          all,
          table,
        )
        assert.is(all, busy_ms === 0 ? 0 : 1_000)
      }
    }),
  )
})

test('parts are rounded so that they add up to the whole', () => {
  assert.equal(shareOut([1, 1, 1], 1_000), [334, 333, 333])
  assert.equal(shareOut([0, 0], 1_000), [0, 0])
  assert.equal(shareOut([], 1_000), [])
})

test('a name cannot write a line of its own, or hide one', () => {
  const evil = '\u001b[2J\nall 0\u202e'
  const text = formatSummary(summarizeProfile(profileOf([[1, [evil, `${ROOT}x\n.js`]]])))
  for (const hidden of ['\u001b', '\u202e', '\nall 0']) assert.not.ok(text.includes(hidden))
})

test('what is no profile is not taken for one', () => {
  const good = profileOf([[1, own('cli.js')]])
  assert.ok(parseProfile(JSON.stringify(good)))
  const bad: readonly unknown[] = [
    null,
    7,
    [],
    {},
    { ...good, nodes: [null] },
    { ...good, nodes: [{ id: 1 }] },
    { ...good, nodes: [{ id: 1, callFrame: { functionName: 1, url: '', lineNumber: 1 } }] },
    { ...good, samples: ['x'] },
    { ...good, timeDeltas: [] },
    { ...good, endTime: null },
  ]
  for (const value of bad) assert.is(parseProfile(JSON.stringify(value)), null, JSON.stringify(value))
  assert.is(parseProfile('{"nodes":['), null)
})

test('a tree of calls that goes in a circle, and samples of no node, end nothing', () => {
  const good = profileOf([[1, own('cli.js')]])
  const nodes = good.nodes.map((node) => ({ ...node, children: [1, 2, 99] }))
  const { busy_ms } = summarizeProfile({ ...good, nodes, samples: [99] })
  assert.is(busy_ms, 0)
})

test('each name of the table of phases is a file, a folder or a function that is there', () => {
  const names = [...Object.keys(ACTIVITY_OF_CODE), ...Object.keys(ACTIVITY_OF_LOOP)]
  for (const name of names.filter((each) => /^[a-z]+\//.test(each))) {
    const [file = '', functionName] = name.split('#')
    assert.ok(existsSync(join(SRC, file)), name)
    if (functionName === undefined) continue
    const code = readFileSync(join(SRC, file), 'utf8')
    const isThere = new RegExp(
      `^ +(?:private )?${functionName}\\(|^export class ${functionName}\\b`,
      'm',
    ).test(code)
    assert.ok(isThere, name)
  }
})

/** Folders whose functions serve several phases: the caller decides. */
const SHARED = ['api', 'config', 'exchange', 'http', 'json', 'lib', 'sse', 'translate']
/** Folders that no relay loads. */
const COMMANDS = ['commands', 'doctor']

test('each folder of the code has a phase, or is known to serve several', () => {
  const folders = readdirSync(SRC, { withFileTypes: true }).filter((entry) => entry.isDirectory())
  const known = [...Object.keys(ACTIVITY_OF_CODE), ...Object.keys(ACTIVITY_OF_LOOP)].map(
    (name) => name.split('/')[0],
  )
  for (const { name } of folders) assert.ok([...known, ...SHARED, ...COMMANDS].includes(name), name)
})

test.run()
