import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Banner, formatBanner } from '../../src/commands/banner.js'

const BANNER: Banner = {
  version: '1.2.3',
  url: 'http://127.0.0.1:4000',
  everyInterface: null,
  workers: 1,
  upstreams: ['openai'],
  mode: 'keys',
  key: null,
  firstKeyFile: null,
  activeKeys: 2,
  keyFile: 'data/keys.jsonl',
  configFile: 'thinwire.json',
  metricsUrl: null,
  page: null,
}

test('a relay with TLS shows https: everywhere, and asks for no proxy in front of it', () => {
  const text = formatBanner({ ...BANNER, url: 'https://127.0.0.1:4000', everyInterface: '0.0.0.0:4000' })
  assert.match(text, /at https:\/\/THIS-MACHINE:4000 from others/)
  assert.match(text, /curl -N https:\/\/127\.0\.0\.1:4000\/v1/)
  assert.match(text, /YOUR-PUBLIC-HOST is a name of its\n {2}certificate/)
  assert.not.match(text, /http:/)
})

test('a relay on one address shows it as a URL', () => {
  assert.match(formatBanner(BANNER), /^Thinwire 1\.2\.3 listens on http:\/\/127\.0\.0\.1:4000\n/)
})

test('a relay on 0.0.0.0 says that it listens on every interface, and how it is reached', () => {
  const text = formatBanner({ ...BANNER, everyInterface: '0.0.0.0:4000' })
  const [first, , here, elsewhere] = text.split('\n')
  assert.is(first, 'Thinwire 1.2.3 listens on 0.0.0.0:4000, that is on every network interface')
  assert.is(here, '  Reach it   at http://127.0.0.1:4000 on this machine,')
  assert.is(elsewhere, '             at http://THIS-MACHINE:4000 from others')
  assert.match(text, 'curl -N http://127.0.0.1:4000/v1/chat/completions')
  for (const line of text.split('\n')) assert.ok(line.length <= 80, `too wide: ${line}`)
})

test('a relay on [::] names the port of its own address', () => {
  const text = formatBanner({ ...BANNER, everyInterface: '[::]:4001' })
  assert.match(text, 'listens on [::]:4001, that is')
  assert.match(text, 'at http://THIS-MACHINE:4001 from others')
})

test('a first key is shown once and put into the lines to paste', () => {
  const text = formatBanner({ ...BANNER, key: 'lc_a_b_c_d' })
  assert.match(text, 'it had no key, so this one was issued.')
  assert.match(text, "-H 'Authorization: Bearer lc_a_b_c_d'")
  assert.match(text, /OpenAI API Key +lc_a_b_c_d\n/)
})

test('a first key in a file is named in the lines to paste, also in a folder with blanks and quotes', () => {
  const text = formatBanner({ ...BANNER, firstKeyFile: 'data/first-key' })
  assert.match(text, '    cat data/first-key\n    rm data/first-key\n')
  assert.match(text, '-H "Authorization: Bearer $(cat data/first-key)" \\\n')
  assert.match(text, /OpenAI API Key +the key in data\/first-key\n/)
  for (const line of text.split('\n')) assert.ok(line.length <= 80, `too wide: ${line}`)
  assert.match(
    formatBanner({ ...BANNER, firstKeyFile: "my Tom's/first-key" }),
    "cat 'my Tom'\\''s/first-key'\n",
  )
})

test.run()
