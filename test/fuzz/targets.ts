import { inspectKey, isLikelyKey } from '../../src/access/key.js'
import { parseKeyFile } from '../../src/access/key-lines.js'
import { parseRequestTarget } from '../../src/api/request-target.js'
import { ANSWERS } from '../support/answers.js'
import {
  CHAT_REQUEST,
  CHAT_STREAM,
  MESSAGES_SHAPED_REQUEST,
  RESPONSES_SHAPED_REQUEST,
} from '../support/fixtures.js'
import { CONFIG, takeConfig } from './config-target.js'
import { openListener, REQUESTS } from './listener-target.js'
import { takePeek } from './peek-target.js'
import { takeEvents, takeJsonBody, takeMeteredStream } from './response-targets.js'
import { takeConversation, takeTranslatedStream } from './translation-targets.js'
import { RESPONSES, takeResponse } from './upstream-target.js'

/** A reader of foreign bytes, and the rules that hold for whatever it reads. */
export interface FuzzTarget {
  readonly name: string
  /** Words that mean something to it, beside those that mean something everywhere. */
  readonly words: readonly Buffer[]
  /** Inputs that stand for what it usually reads. */
  seeds(): readonly Buffer[]
  open(): OpenTarget | Promise<OpenTarget>
}

export interface OpenTarget {
  /** Throws if a rule is broken. */
  take(input: Buffer): void | Promise<void>
  close(): void | Promise<void>
}

const BODIES = [CHAT_REQUEST, RESPONSES_SHAPED_REQUEST, MESSAGES_SHAPED_REQUEST].map((body) =>
  Buffer.from(body),
)
const SHORT_ANSWERS = ANSWERS.map(({ body }) => body).filter(({ length }) => length < 16_384)
const STREAMS = [
  Buffer.from(CHAT_STREAM),
  ...SHORT_ANSWERS.filter((body) => /^(?:data|event|:)/.test(body.toString('latin1', 0, 8))),
]
const KEY = 'lc_prod_team1_alice_0123456789abcdefghijklmnopqr'
const KEY_FILE = `{"v":1,"ts":"2026-01-31T09:00:00.000Z","op":"issued","id":"k_0123456789","hash":"${'0'.repeat(64)}","env":"prod","team":"a","user":"b"}
{"v":1,"ts":"2026-03-01T09:00:00.000Z","op":"revoked","id":"k_0123456789"}
`
const PATHS = [
  '/v1/chat/completions',
  '/cursor/v1/models/',
  '/openai/deployments/a%20b/chat/completions?api-version=1',
  '//v1/v1/x?a=b',
]

export const TARGETS: readonly FuzzTarget[] = [
  pure(
    'peek',
    BODIES,
    ['"model":', '"stream":true', '"prompt"', '"tools":[', '"previous_response_id"'],
    takePeek,
  ),
  pure(
    'conversation',
    BODIES,
    ['"role":', '"tool_calls":[', '"tool_use"', '"input":', '"messages":', '"function"'],
    takeConversation,
  ),
  pure(
    'translated-stream',
    STREAMS,
    ['"delta":', '"choices":[', '"message_start"', '"response.completed"'],
    takeTranslatedStream,
  ),
  pure('events', STREAMS, ['event: ', 'data:', '\r', 'id: 1\n', 'retry: 1\n'], takeEvents),
  pure(
    'metered-stream',
    STREAMS,
    ['"usage":{', '"prompt_tokens":', '"usageMetadata":{', '"input_tokens":'],
    takeMeteredStream,
  ),
  pure(
    'metered-json',
    SHORT_ANSWERS,
    ['"usage":{', '"prompt_tokens":', '"total_tokens":', '"choices":['],
    takeJsonBody,
  ),
  pure(
    'config',
    CONFIG,
    ['"upstreams":{', '"preset":"openai"', '"targets":[', '"env":"A"', '"limits":{'],
    takeConfig,
  ),
  pure(
    'key',
    [KEY, 'lc_a_b_c_d', 'sk-1'].map((text) => Buffer.from(text)),
    ['lc_', '_', '-'],
    takeKey,
  ),
  pure(
    'key-file',
    [Buffer.from(KEY_FILE)],
    ['"op":"issued"', '"op":"revoked"', '"op":"changed"', '"id":'],
    takeKeyFile,
  ),
  pure(
    'request-target',
    PATHS.map((path) => Buffer.from(path)),
    ['/v1', '/cursor', '/openai/deployments/', '%2f', '/.'],
    takeTarget,
  ),
  {
    name: 'upstream-response',
    words: [
      'transfer-encoding: chunked\r\n',
      'content-length: 5\r\n',
      'connection: close\r\n',
      '0\r\n\r\n',
    ].map((word) => Buffer.from(word)),
    seeds: () => RESPONSES,
    open: () => ({ take: takeResponse, close() {} }),
  },
  {
    name: 'listener',
    words: [Buffer.from('transfer-encoding: chunked\r\n'), Buffer.from('content-length: 1\r\n')],
    seeds: () => REQUESTS,
    open: openListener,
  },
]

function pure(
  name: string,
  seeds: readonly Buffer[],
  words: readonly string[],
  take: (input: Buffer) => void,
): FuzzTarget {
  return {
    name,
    words: words.map((word) => Buffer.from(word)),
    seeds: () => seeds,
    open: () => ({ take, close() {} }),
  }
}

/** A text is a key, or it is not, and a key looks like one. */
function takeKey(input: Buffer): void {
  const text = input.toString('latin1')
  const found = inspectKey(text)
  if (typeof found !== 'string' && !isLikelyKey(text)) throw new Error('a key does not look like one')
}

/** Whatever a key file has in it, every line is a change or a flaw, and no flaw repeats the line. */
function takeKeyFile(input: Buffer): void {
  const { byHash, byId, flaws } = parseKeyFile(input.toString())
  if (byHash.size !== byId.size) throw new Error('a key has no id of its own')
  for (const flaw of flaws) if (/[0-9a-f]{64}/.test(flaw)) throw new Error(`a flaw repeats its line: ${flaw}`)
}

/** What is evened out once stays as it is: a rule for a path must not depend on how it was typed. */
function takeTarget(input: Buffer): void {
  const found = parseRequestTarget(input.toString('latin1'))
  if ('problem' in found || found.cursor || found.deployment !== null) return
  const again = parseRequestTarget(`${found.path}${found.query}`)
  if ('problem' in again) throw new Error(`${found.path} is refused the second time: ${again.problem}`)
  if (again.path !== found.path && !again.cursor && again.deployment === null)
    throw new Error(`${found.path} becomes ${again.path}`)
}
