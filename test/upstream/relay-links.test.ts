import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createUpstreamConfig } from '../../src/config/upstreams.js'
import { RelayLinks } from '../../src/upstream/relay-links.js'
import { UpstreamAddress } from '../../src/upstream/upstream-address.js'
import { assertGrowsLinearly } from '../support/growth.js'
import { fc } from '../support/property.js'

const ORIGIN = 'https://api.example.com'
const address = new UpstreamAddress(createUpstreamConfig('up', ORIGIN, {} as never))
const links = new RelayLinks(
  { origin: ORIGIN, address },
  { rawHeaders: ['host', 'relay.example'], socket: {} },
  null,
  true,
)

const URLS = fc.constantFrom(
  ...[`${ORIGIN}/v1/files`, `${ORIGIN}:443/v1/files?a=b`, 'HTTPS://API.EXAMPLE.COM/v1/x', `${ORIGIN}/v2/x`],
  ...['https://other.example/v1/x', '/v1/x', 'page_2', '', `${ORIGIN}\\@other.example/v1/x`],
)
const NAMES = fc.constantFrom('results_url', 'next', 'nextLink', 'url', 'uri', 'data', 'text')

test('of any body, only the values of documented members change, and only to an address of the relay', () => {
  const member = fc.tuple(NAMES, fc.oneof(URLS, fc.constant(null), fc.constant([{ next: `${ORIGIN}/v1/y` }])))
  fc.assert(
    fc.property(fc.array(member, { maxLength: 6 }), fc.constantFrom('', ' ', '\n  '), (members, space) => {
      const text = `{${members.map(([name, value]) => `${space}"${name}":${space}${JSON.stringify(value)}`).join()}}`
      const changed = links.rewriteBody(Buffer.from(text))?.toString() ?? text
      const documented = members.some(
        ([name, value]) => name === 'data' || /^(?:results_url|next|nextLink)$/.test(name) || value === null,
      )
      if (!documented) assert.is(changed, text)
      const after = JSON.parse(changed)
      const before = JSON.parse(text)
      assert.equal(Object.keys(after), Object.keys(before))
      for (const name of ['url', 'uri', 'text']) assert.equal(after[name], before[name])
      for (const name of ['results_url', 'next', 'nextLink']) {
        const value = after[name]
        if (value === before[name] || typeof value !== 'string') continue
        assert.ok(value.startsWith('http://relay.example/v1/') || value.startsWith('/v1/'), value)
        assert.is(new URL(before[name], ORIGIN).origin, ORIGIN)
      }
      // What the relay has written stays.
      assert.is(links.rewriteBody(Buffer.from(changed)), null)
    }),
  )
})

test('headers and bodies of any length are rewritten in time in proportion to it', () => {
  for (const piece of ['<', '>', '<a', '<https://api.example.com/v1/x>,', '/', '..', '?', '#', '%2f'])
    assertGrowsLinearly(
      piece,
      20_000,
      (size) => piece.repeat(size / piece.length),
      (text) => {
        links.rewriteHeaders(['link', text, 'location', text, 'location', `${ORIGIN}/v1/${text}`])
      },
    )
  for (const piece of ['{"data":[', '"next":"x",', `{"next":"${ORIGIN}/v1/x"},`, '[', '{', '"'])
    for (const start of ['', '{"data":[', '{'])
      assertGrowsLinearly(
        start + piece,
        50_000,
        (size) => Buffer.from(start + piece.repeat(size / piece.length)),
        (body) => void links.rewriteBody(body),
      )
})

test.run()
