import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { findTraits } from '../../src/api/model-table.js'
import type { HttpResponse } from '../../src/doctor/http-request.js'
import { explainRefusal, type ModelPlace } from '../../src/doctor/refusal.js'

function respond(status: number, body: unknown, headers: readonly string[] = []): HttpResponse {
  const bytes = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
  return {
    status,
    version: '1.1',
    headers,
    chunks: [{ atMs: 1, bytes }],
    headMs: 1,
    headAt: 0,
    totalMs: 1,
    end: 'whole',
  }
}

const error = (message: string, more: object = {}): unknown => ({ error: { message, ...more } })

const PLACE: ModelPlace = {
  upstream: 'up',
  model: 'gpt-5.2',
  traits: findTraits({ model: 'gpt-5.2', upstream: 'up', preset: null, rules: [] }).traits,
  hasEntry: false,
}

function explain(response: HttpResponse, place: ModelPlace | null = PLACE, cursor = true): string {
  const body = JSON.stringify({ model: 'team', temperature: 0, tools: [], max_tokens: 10 })
  const { outcome, seen, change } = explainRefusal(response, {
    model: 'team',
    body,
    key: 'key-of-a-test',
    thinwire: true,
    place,
    cursor,
  })
  return `${outcome}: ${seen} > ${change.join(' | ')}`
}

const CASES: ReadonlyArray<readonly [name: string, HttpResponse, RegExp]> = [
  [
    'temperature',
    respond(
      400,
      error("Unsupported value: 'temperature' does not support 0 with this model.", {
        param: 'temperature',
        code: 'unsupported_value',
      }),
    ),
    /does not take a field that Cursor sends > add to modelTraits: \{"match":"gpt-5\.2", "upstream":"up", "refuses":\["temperature"\]\}/,
  ],
  [
    'the name of the limit',
    respond(
      400,
      error(
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
        { param: 'max_tokens', code: 'unsupported_parameter' },
      ),
    ),
    /another name for the limit.*"limitField":"max_completion_tokens"/,
  ],
  [
    'Responses alone',
    respond(
      400,
      error(
        "Function tools with reasoning_effort are not supported for gpt-5.6 in /v1/chat/completions. To use function tools, use /v1/responses or set reasoning_effort to 'none'.",
        { param: 'reasoning_effort' },
      ),
    ),
    /has to be asked by another API.*"api":"responses"/,
  ],
  [
    'custom tools',
    respond(
      400,
      error("Invalid value: 'custom'. Supported values are: 'function'.", {
        param: 'tools[0].type',
        code: 'invalid_value',
      }),
    ),
    /takes no custom tools.*"customTools":false/,
  ],
  [
    'a limit that thinking does not fit into',
    respond(
      400,
      error('`max_tokens` must be greater than `thinking.budget_tokens`. Please consult our documentation.'),
    ),
    /thinking of this model needs more tokens.*"thinking":"none"/,
  ],
  [
    'a limit that is too high',
    respond(
      400,
      error(
        'max_tokens: 65536 > 8192, which is the maximum allowed number of output tokens for claude-3-5-sonnet',
      ),
    ),
    /higher than this model can write.*"maxOutputTokens":8192/,
  ],
  [
    'no limit',
    respond(400, error('max_tokens: Field required')),
    /wants a limit of output tokens.*\/cursor\/v1/,
  ],
  [
    'thinking of Claude',
    respond(400, error('"thinking.type.enabled" is not supported for this model.')),
    /"thinking":"adaptive"/,
  ],
  [
    'thinking of DeepSeek',
    respond(400, error('Missing `reasoning_content` field in the assistant message at message index 2.')),
    /earlier thinking back.*"chatThinking":"reasoning_content"/,
  ],
  [
    'thoughts of Gemini',
    respond(400, error('Function call is missing a thought_signature in functionCall parts.')),
    /"chatThinking":"thought_signature"/,
  ],
  [
    'call ids',
    respond(400, error('Tool call id was call_1 but must be a-z, A-Z, 0-9, with a length of 9.')),
    /"callIds":"nine"/,
  ],
  [
    'no tools',
    respond(400, error('registry.ollama.ai/library/gemma:2b does not support tools')),
    /takes no tools.*Ask mode alone/,
  ],
  [
    'vLLM',
    respond(
      400,
      error('"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'),
    ),
    /vLLM was started without tools/,
  ],
  ['llama.cpp', respond(500, error('tools param requires --jinja flag')), /start llama-server with --jinja/],
  [
    'a model that is gone',
    respond(
      404,
      error('The model `gpt-9` does not exist or you do not have access to it.', { code: 'model_not_found' }),
    ),
    /no such model.*models\.team\.model is "gpt-5\.2"/,
  ],
  ['a model of Anthropic that is gone', respond(404, error('model: claude-9')), /no such model/],
  [
    'a deployment',
    respond(
      404,
      error('The API deployment for this resource does not exist.', { code: 'DeploymentNotFound' }),
    ),
    /no such model/,
  ],
  [
    'a wrong key',
    respond(401, error('Incorrect API key provided.')),
    /refuses the key of the relay > check upstreams\.up\.apiKey/,
  ],
  [
    'no credit',
    respond(429, error('You exceeded your current quota.', { code: 'insufficient_quota' })),
    /has no credit/,
  ],
  [
    'no credit at Anthropic',
    respond(400, error('Your credit balance is too low to access the Anthropic API.')),
    /has no credit/,
  ],
  [
    'a rate',
    respond(429, error('Rate limit reached for gpt-5.2')),
    /too many requests or tokens > Cursor ends an agent run on 429/,
  ],
  [
    'a small context',
    respond(400, error("This model's maximum context length is 4096 tokens.")),
    /does not fit into the context/,
  ],
  [
    'another API',
    respond(400, error("Missing required parameter: 'messages'.")),
    /\/cursor\/v1 translates it/,
  ],
  [
    'no route',
    respond(404, error('No route of this relay matches.'), ['x-thinwire-error', 'no_route']),
    /add it to the config: models: \{"team"/,
  ],
  [
    'a page',
    respond(500, '<html><title>Oh no</title></html>', ['content-type', 'text/html']),
    /a page of a proxy/,
  ],
  [
    'anything else',
    respond(500, error('Something broke')),
    /^failed: 500: Something broke > .*thinwire usage tail --errors/,
  ],
]

for (const [name, response, expected] of CASES) {
  test(`a refusal is reported in plain words, with what cures it: ${name}`, () => {
    assert.match(explain(response), expected)
  })
}

test('without the config the entry is for the name of the client, and says which name it has to be', () => {
  const refused = respond(
    400,
    error("Unsupported parameter: 'temperature'", { param: 'temperature', code: 'unsupported_parameter' }),
  )
  assert.match(
    explain(refused, null),
    /modelTraits: \{"match":"team", "refuses":\["temperature"\]\} \| .*models\.team\.model/,
  )
  assert.match(explain(respond(401, error('Wrong key')), null), /check apiKey of the upstream/)
})

test('where bodies are forwarded as they are, the base URL for Cursor is the cure of what a model refuses', () => {
  for (const [name, response] of CASES.slice(0, 4)) {
    assert.match(
      explain(response, PLACE, false),
      /> use a base URL that ends in \/cursor\/v1: there[^|]*$/,
      name,
    )
  }
})

test.run()
