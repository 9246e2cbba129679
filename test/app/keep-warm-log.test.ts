import pino from 'pino'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createKeepWarmLogger } from '../../src/app/keep-warm-log.js'
import { loadConfig } from '../../src/config/config.js'
import { Log } from '../../src/observe/log.js'

/** What is logged when the upstream `openai` of a default config cannot be connected. */
function logOf(cause: string, env: Record<string, string> = {}): string {
  const lines: string[] = []
  const sink = { write: (line: string) => void lines.push(line) }
  const config = loadConfig({ env: { OPENAI_API_KEY: 'sk-x', ...env }, cwd: '/nowhere' })
  createKeepWarmLogger(new Log(pino({}, sink), sink), () => config).onTrouble('openai', cause)
  assert.is(lines.length, 1)
  const { level, upstream, cause: logged, msg } = JSON.parse(lines[0] as string)
  assert.equal([level, upstream, logged], [40, 'openai', cause])
  return msg
}

test('an upstream that refuses connections is logged with the error code', () => {
  assert.is(logOf('ECONNREFUSED'), 'cannot reach upstream openai yet: ECONNREFUSED')
})

test('a DNS failure is logged with the name that was looked up', () => {
  assert.is(
    logOf('ENOTFOUND'),
    'cannot reach upstream openai yet: the name api.openai.com has no address (ENOTFOUND)',
  )
  assert.is(
    logOf('EAI_AGAIN'),
    'cannot reach upstream openai yet: the name server gave no answer for api.openai.com (EAI_AGAIN)',
  )
})

test('a DNS failure behind a proxy is logged with the name of the proxy', () => {
  assert.match(logOf('ENOTFOUND', { HTTPS_PROXY: 'http://proxy.example:3128' }), 'the name proxy.example has')
})

test.run()
