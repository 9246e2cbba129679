import { chmodSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { issue } from '../../scripts/certificate.js'
import { startDemo } from '../../src/demo/server.js'
import { FAILOVER_PACE } from '../../src/doctor/failover/failover.js'
import { FaultyFront } from '../support/front.js'
import { directList } from '../support/fronts/direct-list.js'
import { HAS_NGINX, NginxFront } from '../support/fronts/nginx.js'
import { DIRECT_CREDENTIAL, PROVIDER_HOST } from '../support/fronts/provider.js'
import { RelaySet } from '../support/fronts/relay-set.js'
import { clear, open, type Place } from '../support/thinwire.js'
import { faulty, finder, look } from '../support/ward.js'

if (!HAS_NGINX) process.stderr.write('nginx or njs is not there: the doctor does not examine its recipe\n')
const withNginx = HAS_NGINX ? test : test.skip

interface Site {
  readonly set: RelaySet
  readonly place: Place
  examine(args: readonly string[]): Promise<Awaited<ReturnType<typeof look>>>
}

/** Two relays behind nginx from its recipe, whose provider is the demo: its streams can be judged. */
async function inSite(direct: 'njs' | 'none', run: (site: Site) => Promise<void>): Promise<void> {
  const place = {} as Place
  open(place)
  chmodSync(place.folder, 0o755)
  const demo = await startDemo({ paceMs: 10 })
  const certificate = issue({ host: PROVIDER_HOST })
  const provider = await FaultyFront.start(Number(new URL(demo.origin).port), { certificate })
  let nginx: NginxFront | null = null
  try {
    const set = await RelaySet.start(place, {
      providerUrl: demo.origin,
      settings: { models: { fast: { upstream: 'openai', model: 'thinwire-demo' } } },
    })
    const relayPorts = set.relays.map(({ port }) => port)
    const list = directList([{ key: set.key }], { aliases: { fast: 'thinwire-demo' } })
    const providerCa = certificate.cert
    nginx = await NginxFront.start(
      { folder: place.folder, relayPorts, providerPort: provider.port, providerCa, direct },
      list,
    )
    const url = `https://127.0.0.1:${nginx.port}/v1`
    await run({
      set,
      place,
      examine: (args) =>
        look([url, '--front', '--json', '--key', set.key, '--config', set.configFile, ...args], {
          failoverPace: { ...FAILOVER_PACE, directMaxMs: 8_000 },
        }),
    })
  } finally {
    await nginx?.front.kill()
    await clear(place)
    await provider.close()
    await demo.close()
  }
}

const pidsOf = (set: RelaySet): string => set.relays.map(({ current }) => current.child.pid).join(' ')

/** A command that ends all relays and waits for their end, and one that has the test start them again. */
function stopsBy(signal: string, { set, place }: Site): string[] {
  const pids = pidsOf(set)
  const marker = join(place.folder, 'start')
  const timer = setInterval(() => {
    if (!existsSync(marker)) return
    clearInterval(timer)
    // The test may be over when one relay answers again: what still starts is killed then.
    set.startAll().catch(() => {})
  }, 20)
  // The folder may be gone before it has looked again.
  timer.unref()
  const ended = set.relays.map(({ current }) => `kill -0 ${current.child.pid} 2>/dev/null`).join(' || ')
  return [
    '--stop',
    `kill -${signal} ${pids}; while ${ended}; do sleep 0.05; done`,
    '--start',
    `touch ${marker}`,
  ]
}

for (const signal of ['TERM', 'KILL']) {
  withNginx(
    `the doctor finds no fault with nginx as the recipe has it, when SIG${signal} ends its relays`,
    () =>
      inSite('njs', async (site) => {
        const { code, out, err } = await site.examine(stopsBy(signal, site))
        const find = finder(out)
        process.stdout.write(`${find('switch over')}\n${find('switch back')}\n`)
        // The certificate is the test's own, and what a killed relay had open is lost with it.
        const expected = signal === 'KILL' ? ['tls', 'switch over'] : ['tls']
        assert.equal(
          faulty(out).filter((check) => !expected.includes(check)),
          [],
          out,
        )
        assert.is(code, 0, out)
        assert.not.match(find('switch over'), /^failed/)
        assert.match(find('http2'), /^ok: the front chose HTTP\/2/)
        assert.match(find('address'), /^ok: 127\.0\.0\.2/)
        assert.match(find('sent twice'), /^ok: the relays' records have none/)
        assert.match(find('direct pace'), /^ok: .*one by one/)
        assert.match(find('direct alias'), /^ok: fast: 200/)
        assert.not.match(out + err, new RegExp(DIRECT_CREDENTIAL))
      }),
  )
}

withNginx('the doctor finds no fault with nginx as the recipe has it, when its relays are frozen', () =>
  inSite('njs', async (site) => {
    const pids = pidsOf(site.set)
    const { code, out } = await site.examine([
      '--freeze',
      `kill -STOP ${pids}`,
      '--thaw',
      `kill -CONT ${pids}`,
    ])
    const find = finder(out)
    process.stdout.write(`${find('frozen')}\n${find('switch back')}\n`)
    assert.equal(
      faulty(out).filter((check) => check !== 'tls'),
      [],
      out,
    )
    assert.is(code, 0, out)
    assert.match(find('frozen POST'), /^ok: the relays' records have none/)
  }),
)

withNginx('the doctor says that nginx without the direct part has no direct way', () =>
  inSite('none', async (site) => {
    const { code, out } = await site.examine(stopsBy('KILL', site))
    const find = finder(out)
    assert.is(code, 1)
    assert.match(find('direct way'), /^failed: .*no direct way.*DIRECT\.md/)
    assert.match(find('relays'), /^ok/)
  }),
)

test.run()
