import { existsSync, readdirSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { listLedgerNames } from '../../../src/ledger/files.js'
import { listJournalNames } from '../../../src/ledger/journal.js'
import { readLedgerAfterKills } from '../../support/ledger.js'
import { configure, UPSTREAM_KEY } from '../../support/start.js'
import { open, type Place, run, runRestart, runUsage, Thinwire } from '../../support/thinwire.js'
import { gate, until } from '../../support/until.js'
import { ScriptedUpstream } from '../../support/upstream.js'
import { answers, chat, posting } from '../limits/limit-scene.js'
import { clearWorkers, isAlive, readyPids, SLOW_MS, untilReady } from './scene.js'

const test = suite<Place>('limits of workers')

test.before.each(open)
test.after.each(clearWorkers)

/** Tokens of each request. */
const TOKENS = 15

/** A relay of two workers with a budget that is large enough, before an upstream that answers when the gate is open. */
async function start(place: Place, env: Record<string, string> = {}) {
  const held = gate()
  const upstream = await ScriptedUpstream.start(async (request) => {
    if (request.target.startsWith('/v1/chat')) await answers(10, 5)(request)
    else {
      await held.opened
      await answers(10, 5)(request)
    }
  })
  place.upstreams.push(upstream)
  const rules = [
    { name: 'all', tokens: { month: 1_000_000 } },
    { name: 'teams', per: 'team', usd: { day: 1_000 } },
  ]
  const up = { baseUrl: upstream.url, apiKey: { env: 'UPSTREAM_KEY' }, warm: false }
  configure(place, { workers: 2, upstreams: { up }, limits: { rules } })
  const thinwire = new Thinwire(place, ['start', '--listen', '127.0.0.1:0'], { UPSTREAM_KEY, ...env })
  await until(() => thinwire.err.includes('see README') || thinwire.code !== null, 'the banner', SLOW_MS)
  assert.is(thinwire.code, null, thinwire.err)
  await untilReady(thinwire, 2)
  return { thinwire, held, upstream }
}

async function ask(place: Place, thinwire: Thinwire, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const client = await thinwire.client(place)
    client.send(posting(thinwire, chat()))
    assert.is((await client.response()).status, 200)
    client.destroy()
  }
}

/** What `thinwire limits` says is used of the pool's budget, and where that comes from. */
async function readLimits(place: Place): Promise<{ source: string; used: number; state: string }> {
  const { out } = await run(place, ['limits', '--json', '--rule', 'all'])
  const { source, counters, relay } = JSON.parse(out) as {
    readonly source: string
    readonly counters: readonly { readonly used: number }[]
    readonly relay: { readonly state: string }
  }
  return { source, used: counters[0]?.used ?? -1, state: relay.state }
}

/** Waits until the file of the primary has so many tokens. */
async function untilCounted(place: Place, tokens: number): Promise<void> {
  const path = join(place.folder, 'data', 'limits.json')
  const isThere = (): boolean => {
    const text = existsSync(path) ? readFileSync(path, 'utf8') : ''
    return text.includes(`,1000000,${tokens},`) && text.includes('"restored":true')
  }
  await until(isThere, `${tokens} tokens in ${path}`)
}

async function verify(place: Place): Promise<string> {
  const { code, out, err } = await runUsage(place, ['verify', '--limits'])
  assert.is(code, 0, out + err)
  assert.match(out, /2 budgets compared with the ledger: no drift/)
  assert.not.match(out, 'Other relays')
  return out
}

test('limits are shown live, and agree with the ledger: after a death, a rolling restart and the end', async (place) => {
  const { thinwire } = await start(place)
  await ask(place, thinwire, 20)
  await untilCounted(place, 20 * TOKENS)
  assert.equal(await readLimits(place), { source: 'relay', used: 20 * TOKENS, state: 'running' })
  assert.match(await verify(place), 'The relay runs')

  const [victim = 0] = readyPids(thinwire)
  process.kill(victim, 'SIGKILL')
  await untilReady(thinwire, 3)
  await ask(place, thinwire, 10)
  await untilCounted(place, 30 * TOKENS)
  await verify(place)

  const restarted = await runRestart(place)
  assert.is(restarted.code, 0, restarted.err)
  await untilReady(thinwire, 5)
  await ask(place, thinwire, 10)
  await untilCounted(place, 40 * TOKENS)
  await until(() => readyPids(thinwire).filter(isAlive).length === 2, 'the old workers to end')
  await verify(place)

  // A record is changed by hand, and one is taken away.
  const folder = join(place.folder, 'data')
  const [{ name } = { name: '' }] = listLedgerNames(readdirSync(folder))
  const path = join(folder, name)
  const whole = readFileSync(path, 'utf8')
  const lines = whole.split('\n').filter((line) => line !== '')
  for (const text of [whole.replace('"prompt_tokens":10', '"prompt_tokens":11'), lines.slice(1).join('\n')]) {
    writeFileSync(path, `${text}\n`)
    const { code, out } = await runUsage(place, ['verify', '--limits'])
    assert.is(code, 1, out)
    assert.match(out, /with a drift:\n {2}all, all, tokens\/month/)
  }
  writeFileSync(path, whole)

  thinwire.child.kill('SIGTERM')
  assert.is(await thinwire.ended(), 0, thinwire.err)
  assert.match(await verify(place), 'The relay has ended')
  assert.equal(await readLimits(place), { source: 'ledger', used: 40 * TOKENS, state: 'ended' })
})

/** Holds what a worker writes to the ledger, or what it says of settlements, while there is such a file. */
function holder(file: string): string {
  return `
    import { existsSync } from 'node:fs'
    import { open } from 'node:fs/promises'
    const isHeld = (what) => existsSync(${JSON.stringify(file)} + what)
    if (process.env.THINWIRE_WORKER !== undefined) {
      const handle = await open('/dev/null')
      const disk = Object.getPrototypeOf(handle)
      await handle.close()
      const { write } = disk
      disk.write = function (bytes, ...more) {
        const isRecord = Buffer.isBuffer(bytes) && bytes.includes('"writer":') && !bytes.includes('"open":{')
        if (isRecord && bytes.includes('"id":') && isHeld('-disk')) return new Promise(() => {})
        return write.call(this, bytes, ...more)
      }
      const { send } = process
      let isCut = false
      process.send = function (message, ...more) {
        const batch = message?.thinwire
        const isSettled = Array.isArray(batch) && batch.some((value) => value?.[0] === 'settle')
        // What is said later does not overtake it.
        isCut ||= isSettled && isHeld('-link')
        if (isCut) return true
        return send.call(this, message, ...more)
      }
    }`
}

for (const held of ['disk', 'link', 'both'])
  test(`a worker that is killed between settlement and record is counted as recovered, once (${held} held)`, async (place) => {
    const file = join(place.folder, 'held')
    const url = `data:text/javascript,${encodeURIComponent(holder(file))}`
    const { thinwire, held: answer, upstream } = await start(place, { NODE_OPTIONS: `--import ${url}` })
    await ask(place, thinwire, 4)
    await untilCounted(place, 4 * TOKENS)
    const before = upstream.requests.length
    const client = await thinwire.client(place)
    client.send(posting(thinwire, chat(), '/v1/responses'))
    await upstream.request(before)
    const folder = join(place.folder, 'data')
    const findOwner = (): number | null => {
      for (const { name } of listJournalNames(readdirSync(folder))) {
        const text = readFileSync(join(folder, name), 'utf8')
        if (text.includes('"open":{')) return Number(/"pid":(\d+)/.exec(text)?.[1])
      }
      return null
    }
    await until(() => findOwner() !== null, 'the request to be in the journal')
    for (const what of held === 'both' ? ['disk', 'link'] : [held]) writeFileSync(`${file}-${what}`, '')
    answer.open()
    assert.is((await client.response()).status, 200)
    const records = () => readLedgerAfterKills(folder)
    if (held === 'disk') await untilCounted(place, 5 * TOKENS)
    else if (held === 'link') await until(() => records().length === 5, 'the record')
    else await thinwire.logs('/v1/responses')
    const victim = findOwner() ?? 0
    process.kill(victim, 'SIGKILL')
    for (const what of ['disk', 'link']) if (existsSync(`${file}-${what}`)) unlinkSync(`${file}-${what}`)
    await untilReady(thinwire, 3)
    await until(() => records().length === 5, 'the record of the replacement')
    await ask(place, thinwire, 2)
    await until(() => records().length === 7, 'all records')
    const end = held === 'link' ? 'done' : 'crashed'
    const last = records().find(({ route }) => route === '/v1/responses')
    assert.is(last?.end, end)
    const recorded = Number(last?.prompt_tokens ?? 0) + Number(last?.completion_tokens ?? 0)
    if (held === 'link') assert.is(recorded, TOKENS)
    await untilCounted(place, 6 * TOKENS + recorded)
    await verify(place)
  })

test.run()
