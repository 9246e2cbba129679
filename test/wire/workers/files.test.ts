import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { selfSigned } from '../../../scripts/certificate.js'
import { configure } from '../../support/start.js'
import { open, type Place, runRestart, type Thinwire } from '../../support/thinwire.js'
import { until } from '../../support/until.js'
import { clearWorkers, configOf, startWorkers, untilReady } from './scene.js'

const test = suite<Place>('files of workers')

test.before.each(open)
test.after.each(clearWorkers)

/** Lines with this in them: who has written them, and at which level. */
function said({ lines }: Thinwire, part: string): string[] {
  return lines
    .filter(({ msg }) => String(msg).includes(part))
    .map(({ worker = 'primary', level }) => `${worker} ${level}`)
    .sort()
}

/** The primary says it once, and both workers have seen it too. */
async function untilSaid(thinwire: Thinwire, part: string, level: number): Promise<void> {
  await until(() => said(thinwire, part).length >= 3, `all to say: ${part}`)
  assert.equal(said(thinwire, part), ['1 20', '2 20', `primary ${level}`], part)
}

const price = (perToken: number) => ({ input_cost_per_token: perToken, output_cost_per_token: perToken })

test('what changes in the files of a relay is said once, and what is wrong with them at level error', async (place) => {
  const write = (name: string, text: string): void => writeFileSync(join(place.folder, name), text)
  const [first, second] = [selfSigned('a.example'), selfSigned('b.example')]
  write('cert.pem', first.cert)
  write('key.pem', first.key)
  write('prices.json', JSON.stringify({ 'up/a': price(1e-6) }))
  const settings = {
    listen: { address: '127.0.0.1:0', tls: { cert: 'cert.pem', key: 'key.pem' } },
    ledger: { prices: 'prices.json' },
    log: { level: 'debug' },
  }
  const { thinwire } = await startWorkers(place, settings)
  assert.match(thinwire.url, /^https:/)

  const keyFile = join(place.folder, 'data', 'keys.jsonl')
  const { id } = JSON.parse(readFileSync(keyFile, 'utf8').split('\n')[0] as string) as { readonly id: string }
  // A worker reads the file for the first key, too, and says nothing then: it may find the first of these lines.
  let changes = 0
  const change = (): void => {
    const line = {
      v: 1,
      ts: new Date().toISOString(),
      op: 'changed',
      id,
      team: `team${changes++}`,
      user: 'u',
    }
    appendFileSync(keyFile, `${JSON.stringify(line)}\n`)
  }
  for (const part of ['the key file was read again', 'not written by thinwire keys']) {
    change()
    const haveAllSaid = (): boolean => new Set(said(thinwire, part)).size === 3
    await until(haveAllSaid, `all to say: ${part}`, 5_000).catch(change)
    await until(haveAllSaid, `all to say: ${part}`)
  }
  assert.equal([...new Set(said(thinwire, 'the key file was read again'))], ['1 20', '2 20', 'primary 30'])
  assert.equal([...new Set(said(thinwire, 'not written by thinwire keys'))], ['1 20', '2 20', 'primary 40'])
  appendFileSync(keyFile, 'nonsense\n')
  await untilSaid(thinwire, 'keys.jsonl, line', 50)

  write('prices.json', '{')
  await untilSaid(thinwire, 'the relay keeps its prices: it is not JSON', 50)
  write('prices.json', JSON.stringify({ 'up/b': price(2e-6) }))
  await untilSaid(thinwire, 'the price file was read again', 30)

  write('key.pem', second.key)
  await untilSaid(thinwire, 'the certificate files are not used', 50)
  write('cert.pem', second.cert)
  await untilSaid(thinwire, 'the certificate was read again', 30)

  const config = { ...configOf(place.upstreams[0]?.url ?? ''), ...settings }
  configure(place, { ...config, cache: { bytes: 'many' } })
  await untilSaid(thinwire, 'the config file is not used', 50)
  configure(place, { ...config, cache: { bytes: 1_000_000 }, limits: { connections: 900 } })
  await untilSaid(thinwire, 'limits.connections takes effect after a restart', 40)
  await untilSaid(thinwire, 'the config was read again and is in use now', 30)

  // The restart has brought that into effect.
  const { code, err } = await runRestart(place)
  assert.is(code, 0, err)
  await untilReady(thinwire, 4)
  const before = thinwire.out.length
  thinwire.child.kill('SIGHUP')
  await until(() => thinwire.out.slice(before).includes('nothing else has changed'), 'the reload')
  assert.not.match(thinwire.out.slice(before), 'takes effect')
  thinwire.child.kill('SIGTERM')
  assert.is(await thinwire.ended(), 0, thinwire.err)
})

test.run()
