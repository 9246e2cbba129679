import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  type BaseUrl,
  buildPathUrl,
  buildRootUrl,
  examineUrl,
  formatUrl,
  readBaseUrl,
} from '../../src/doctor/base-url.js'
import { classifyReach, classifyReachByName } from '../../src/doctor/reach.js'

function read(typed: string): BaseUrl {
  const base = readBaseUrl(typed)
  if (typeof base === 'string') throw new Error(base)
  return base
}

function judged(typed: string): string {
  const { outcome, seen, change } = examineUrl(read(typed))
  return `${outcome}: ${seen} > ${change.join(' ')}`
}

test('a public https URL with /v1 at its end passes', () => {
  assert.match(judged('https://llm.example.com/v1'), /^ok: https, ends in \/v1/)
  assert.match(judged('https://llm.example.com/cursor/v1'), /^ok: https, ends in \/cursor\/v1/)
  assert.is(read('https://llm.example.com/cursor/v1').cursor, true)
  assert.is(read('https://llm.example.com/v1').cursor, false)
})

test('a URL that Cursor cannot use fails, and the finding says what to enter', () => {
  assert.match(judged('http://llm.example.com/v1'), /^failed: http: .*scripts\/deploy\/Caddyfile/)
  assert.match(
    judged('https://llm.example.com/v1/'),
    /^warning: .*extra slash.*enter https:\/\/llm.example.com\/v1$/,
  )
  assert.match(judged('https://llm.example.com//v1'), /enter https:\/\/llm.example.com\/v1$/)
  assert.match(
    judged('https://llm.example.com'),
    /^warning: .*not end in \/v1 > enter https:\/\/llm.example.com\/v1/,
  )
  assert.match(
    judged('https://llm.example.com/v1/chat/completions'),
    /^failed: .*endpoint.*enter https:\/\/llm.example.com\/v1$/,
  )
  assert.match(judged('https://llm.example.com/v1?team=a'), /^failed: .*\?/)
})

test('a private address is a warning: it works for clients in that network', () => {
  for (const url of ['http://127.0.0.1:4000/v1', 'http://localhost/v1', 'https://[::1]/v1']) {
    assert.match(judged(url), /^warning: .*this machine.*not for Cursor/)
  }
  for (const url of [
    'http://10.1.2.3/v1',
    'https://192.168.0.9/v1',
    'https://relay.internal/v1',
    'http://relay/v1',
  ]) {
    assert.match(judged(url), /^warning: .*private network: it works for clients in it, not for Cursor/)
  }
})

test('a password in the URL is not shown', () => {
  const base = read('https://bob:secret@llm.example.com/v1')
  assert.is(formatUrl(base), 'https://llm.example.com/v1')
  assert.match(examineUrl(base).seen, /user name or password/)
  assert.not.match(JSON.stringify(examineUrl(base)), /secret/)
})

test('a text that is not a URL gets a sentence that says what is right', () => {
  assert.match(String(readBaseUrl('llm.example.com/v1')), /https:\/\/llm.example.com\/v1$/)
  assert.match(String(readBaseUrl('ftp://llm.example.com/v1')), /scheme/)
  assert.match(String(readBaseUrl('https://')), /not a URL/)
})

test('paths are appended to the exact text, and the name of the relay is at its root', () => {
  assert.is(buildPathUrl(read('https://a.example/v1/'), '/models').pathname, '/v1//models')
  assert.is(buildRootUrl(read('https://a.example/cursor/v1')).pathname, '/v1/')
  assert.is(buildRootUrl(read('https://a.example/llm/v1')).pathname, '/llm/v1/')
})

test('addresses that the internet cannot reach are recognized', () => {
  const table: Record<string, string> = {
    '8.8.8.8': 'public',
    '172.32.0.1': 'public',
    '2606:4700::1': 'public',
    '127.8.0.1': 'loopback',
    '::1': 'loopback',
    '::ffff:127.0.0.1': 'loopback',
    '10.0.0.1': 'private',
    '172.16.0.1': 'private',
    '100.64.0.1': 'private',
    '169.254.169.254': 'private',
    '::ffff:10.0.0.1': 'private',
    'fd00::1': 'private',
    'fe80::1': 'private',
  }
  for (const [address, reach] of Object.entries(table)) assert.is(classifyReach(address), reach, address)
  assert.is(classifyReachByName('llm.example.com'), null)
})

test.run()
