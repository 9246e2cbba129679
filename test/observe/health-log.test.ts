import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createAccountLogger, createTargetStateLogger } from '../../src/observe/health-log.js'
import type { Log } from '../../src/observe/log.js'

interface Line {
  readonly level: string
  readonly fields: unknown
  readonly text: string
}

test('each change of a circuit writes one line, and an opened circuit a warning', () => {
  const lines: Line[] = []
  const write = (level: string) => (fields: unknown, text: string) => lines.push({ level, fields, text })
  const onChange = createTargetStateLogger({ info: write('info'), warn: write('warn') } as unknown as Log)
  onChange('openai', 'closed', 'open', 'ECONNREFUSED')
  onChange('openai', 'open', 'half_open', 'open time is over')
  onChange('openai', 'half_open', 'closed', 'a request succeeded')
  assert.equal(
    lines.map(({ level, text }) => [level, text]),
    [
      ['warn', 'target openai unhealthy (ECONNREFUSED), circuit open'],
      ['info', 'target openai: circuit half-open, trying again'],
      ['info', 'target openai healthy, circuit closed'],
    ],
  )
  assert.equal(lines[0]?.fields, { target: 'openai', from: 'closed', to: 'open', why: 'ECONNREFUSED' })
})

test('what upstreams say of the accounts is a warning, and its end is reported as well', () => {
  const lines: Line[] = []
  const write = (level: string) => (fields: unknown, text: string) => lines.push({ level, fields, text })
  const accounts = createAccountLogger({ info: write('info'), warn: write('warn') } as unknown as Log)
  accounts.onCredential('openai#spare', 'credential')
  accounts.onCredential('openai#spare', 'quota')
  accounts.onCredential('openai#spare', null)
  accounts.onMissingModel('azure', 'gpt-x')
  assert.equal(
    lines.map(({ level, fields }) => [level, fields]),
    [
      ['warn', { upstream: 'openai#spare', why: 'credential' }],
      ['warn', { upstream: 'openai#spare', why: 'quota' }],
      ['info', { upstream: 'openai#spare', why: null }],
      ['warn', { target: 'azure', model: 'gpt-x' }],
    ],
  )
  for (const { text } of lines) assert.match(text, /openai#spare|azure/)
})

test.run()
