import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { buildRecordJsonSchema, recordSchema } from '../../src/ledger/schema.js'
import { FIELDS, REQUIRED_FIELDS } from '../support/ledger.js'

interface Field {
  readonly description?: string
  readonly anyOf?: readonly { readonly type: string }[]
}

const schema = buildRecordJsonSchema() as {
  readonly properties: Readonly<Record<string, Field>>
  readonly required: readonly string[]
  readonly additionalProperties: unknown
}

/** A record in which everything that may be unknown is null. */
const RECORD: Readonly<Record<string, unknown>> = {
  ...Object.fromEntries(REQUIRED_FIELDS.map((field) => [field, null])),
  v: 1,
  id: 'tw-1',
  seq: 1,
  writer: 'w-1',
  ts: '2026-01-01T09:00:00.000Z',
  route: '/v1/models',
  dialect: 'openai',
  request_class: 'models',
  attempts: 0,
  failed_attempts: null,
  dropped_fields: null,
  end: 'refused',
  phase: 'admit',
  usage_source: 'none',
  bytes_in: 0,
  bytes_out: 0,
}

/** Whether the schema accepts a record with these fields. */
function conforms(fields: Readonly<Record<string, unknown>>): boolean {
  return recordSchema.safeParse({ ...RECORD, ...fields }).success
}

test('the build writes a JSON schema that describes every field', () => {
  const built = JSON.parse(readFileSync(new URL('../../usage.schema.json', import.meta.url), 'utf8'))
  assert.equal(built, schema)
  const fields = Object.keys(recordSchema.shape)
  assert.equal(Object.keys(schema.properties), fields)
  assert.equal(schema.required, REQUIRED_FIELDS)
  assert.is(schema.additionalProperties, false)
  for (const [name, { description }] of Object.entries(schema.properties)) assert.ok(description, name)
})

test('a field with a unit in its name has the unit in its description', () => {
  for (const [name, { description = '' }] of Object.entries(schema.properties)) {
    if (name.endsWith('_ms')) assert.match(description, /milliseconds/)
    if (name.endsWith('_us')) assert.match(description, /microseconds/)
    if (name.endsWith('_usd')) assert.match(description, /US dollars/)
  }
})

test('an unknown value is null, and required fields are never null', () => {
  assert.ok(conforms({}))
  for (const field of [
    'id',
    'seq',
    'writer',
    'ts',
    'route',
    'dialect',
    'attempts',
    'end',
    'phase',
    'usage_source',
  ]) {
    assert.not(conforms({ [field]: null }), field)
    assert.not(conforms({ [field]: undefined }), field)
  }
  for (const field of ['key', 'model', 'status', 'prompt_tokens', 'ttft_ms', 'cache']) {
    assert.not(conforms({ [field]: undefined }), field)
  }
})

test('a field that few records have is left out, and never null', () => {
  const rare = FIELDS.filter((name) => !REQUIRED_FIELDS.includes(name))
  assert.ok(rare.length > 0)
  for (const field of rare) assert.not(conforms({ [field]: null }), field)
  assert.ok(conforms({ tags: 'project=a', searches: 2, service_tier: 'flex' }))
})

test('the schema accepts only listed values and known fields', () => {
  for (const cache of ['hit', 'miss', 'joined', 'off']) assert.ok(conforms({ cache }))
  for (const usage_source of ['upstream', 'estimated', 'cache', 'none']) assert.ok(conforms({ usage_source }))
  assert.not(conforms({ cache: 'warm' }))
  assert.not(conforms({ usage_source: 'guessed' }))
  assert.not(conforms({ end: 'over' }))
  assert.not(conforms({ phase: 'route' }))
  assert.not(conforms({ prompt: 'hi' }))
  assert.not(conforms({ prompt_tokens: 1.5 }))
  assert.not(conforms({ total_ms: -1 }))
  assert.not(conforms({ ts: '2026-01-01T09:00:00Z' }))
})

test.run()
