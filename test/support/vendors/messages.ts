import {
  anyObject,
  array,
  base64,
  type Check,
  constant,
  count,
  isMembers,
  listOf,
  type Members,
  membersOf,
  number,
  object,
  oneOf,
  requireDistinct,
  tagged,
  text,
  textOr,
  truth,
  url,
} from './checks.js'

export interface MessagesRules {
  /** The model takes `temperature` or `top_p`, but not both. */
  readonly oneSampling?: boolean
  /**
   * Neighbours of one role are joined, as the API does it (API reference, Create a Message, `messages`). Otherwise the
   * roles have to take turns, which all servers with this API accept.
   */
  readonly joinsTurns?: boolean
}

/** @returns why Anthropic would refuse the body of a message */
export function validateMessages(body: unknown, rules: MessagesRules = {}): string[] {
  const problems: string[] = []
  bodyCheck(body, 'body', problems)
  const request = membersOf(body)
  const given = listOf(request.messages).map(membersOf)
  const messages = rules.joinsTurns === true ? joinTurns(given) : given
  checkRoles(messages, problems)
  checkCalls(messages, problems)
  checkTools(request, problems)
  checkMarks(request, problems)
  checkThinking(request, messages, problems)
  if (rules.oneSampling === true && request.temperature !== undefined && request.top_p !== undefined) {
    problems.push('temperature and top_p cannot both be specified')
  }
  return problems
}

const cache = object({ type: constant('ephemeral') }, { ttl: oneOf('5m', '1h') })
const marked = { cache_control: cache }
const id = text({ pattern: /^[a-zA-Z0-9_-]+$/ })
const name = text({ pattern: /^[a-zA-Z0-9_-]{1,128}$/ })
const visible = text({ visible: true })
const textBlock = object({ type: constant('text'), text: visible }, marked)
const image = object(
  {
    type: constant('image'),
    source: tagged({
      base64: object({
        type: constant('base64'),
        media_type: oneOf('image/jpeg', 'image/png', 'image/gif', 'image/webp'),
        data: base64,
      }),
      url: object({ type: constant('url'), url }),
    }),
  },
  marked,
)
const document = object(
  {
    type: constant('document'),
    source: tagged({
      base64: object({
        type: constant('base64'),
        media_type: constant('application/pdf'),
        data: base64,
      }),
      text: object({ type: constant('text'), media_type: constant('text/plain'), data: visible }),
      url: object({ type: constant('url'), url }),
    }),
  },
  { title: text(), context: text(), ...marked },
)
const toolResult = object(
  { type: constant('tool_result'), tool_use_id: id },
  {
    // A text alone may be empty; an empty block is refused.
    content: textOr({ empty: true }, array(tagged({ text: textBlock, image, document }), 1)),
    is_error: truth,
    ...marked,
  },
)
const message = tagged(
  {
    user: object({
      role: constant('user'),
      content: textOr(
        { visible: true },
        array(tagged({ text: textBlock, image, document, tool_result: toolResult }), 1),
      ),
    }),
    assistant: object({
      role: constant('assistant'),
      content: textOr(
        { visible: true },
        array(
          tagged({
            text: textBlock,
            thinking: object({
              type: constant('thinking'),
              thinking: text({ empty: true }),
              signature: text(),
            }),
            redacted_thinking: object({ type: constant('redacted_thinking'), data: text() }),
            tool_use: object({ type: constant('tool_use'), id, name, input: anyObject }, marked),
          }),
          1,
        ),
      ),
    }),
  },
  'role',
)

const inputSchema: Check = (value, path, problems) => {
  if (!isMembers(value)) return void problems.push(`${path} has to be an object`)
  if (value.type !== 'object') problems.push(`${path}.type has to be "object"`)
  for (const word of ['oneOf', 'allOf', 'anyOf']) {
    if (value[word] !== undefined) problems.push(`${path} does not support ${word} at the top level`)
  }
}
const one = { disable_parallel_tool_use: truth }

const bodyCheck = object(
  { model: text(), max_tokens: count(), messages: array(message, 1) },
  {
    stream: truth,
    temperature: number(0, 1),
    top_p: number(0, 1),
    top_k: count(0),
    system: textOr({ visible: true }, array(textBlock, 1)),
    stop_sequences: array(visible, 1),
    metadata: object({ user_id: text({ most: 256 }) }),
    service_tier: oneOf('auto', 'standard_only'),
    output_config: object(
      {},
      {
        effort: oneOf('low', 'medium', 'high', 'xhigh', 'max'),
        format: object({ type: constant('json_schema'), schema: anyObject }),
      },
    ),
    thinking: tagged({
      enabled: object(
        { type: constant('enabled'), budget_tokens: count(1024) },
        { display: oneOf('summarized', 'omitted') },
      ),
      adaptive: object({ type: constant('adaptive') }, { display: oneOf('summarized', 'omitted') }),
      disabled: object({ type: constant('disabled') }),
    }),
    tools: array(
      object({ name, input_schema: inputSchema }, { description: text(), strict: truth, ...marked }),
      1,
    ),
    tool_choice: tagged({
      auto: object({ type: constant('auto') }, one),
      any: object({ type: constant('any') }, one),
      tool: object({ type: constant('tool'), name }, one),
      none: object({ type: constant('none') }),
    }),
  },
)

function joinTurns(messages: readonly Members[]): readonly Members[] {
  const joined: { role: unknown; content: unknown[] }[] = []
  for (const { role, content } of messages) {
    const blocks = typeof content === 'string' ? [{ type: 'text', text: content }] : listOf(content)
    const last = joined.at(-1)
    if (last !== undefined && last.role === role) last.content.push(...blocks)
    else joined.push({ role, content: [...blocks] })
  }
  return joined
}

const blocksOf = (each: Members): readonly Members[] => listOf(each.content).map(membersOf)

function checkRoles(messages: readonly Members[], problems: string[]): void {
  if (messages[0]?.role !== 'user') problems.push('the first message has to be the user’s')
  for (let n = 1; n < messages.length; n++) {
    if (messages[n]?.role === messages[n - 1]?.role) problems.push(`messages[${n}]: roles have to take turns`)
  }
  const last = messages.at(-1) ?? {}
  const ending = blocksOf(last).at(-1)?.text ?? last.content
  if (last.role === 'assistant' && typeof ending === 'string' && ending !== ending.trimEnd()) {
    problems.push('final assistant content cannot end with trailing whitespace')
  }
}

/** The message behind calls begins with their results, and with no others. */
function checkCalls(messages: readonly Members[], problems: string[]): void {
  const ids: unknown[] = []
  let open: readonly unknown[] = []
  for (const [n, each] of messages.entries()) {
    const blocks = blocksOf(each)
    const results = blocks.filter(({ type }) => type === 'tool_result')
    const answered = results.map((block) => block.tool_use_id)
    if ([...answered].sort().join() !== [...open].sort().join()) {
      problems.push(`messages[${n}]: the results are not those of the calls ahead`)
    }
    if (blocks.slice(0, results.length).some(({ type }) => type !== 'tool_result')) {
      problems.push(`messages[${n}]: results have to come first`)
    }
    open = blocks.filter(({ type }) => type === 'tool_use').map((block) => block.id)
    ids.push(...open)
  }
  if (open.length > 0) problems.push('the last calls have no results')
  requireDistinct(ids, 'tool_use ids', problems)
}

function checkTools(request: Members, problems: string[]): void {
  const names = listOf(request.tools).map((tool) => membersOf(tool).name)
  requireDistinct(names, 'tool names', problems)
  if (request.tool_choice === undefined) return
  if (request.tools === undefined) problems.push('tool_choice without tools')
  const choice = membersOf(request.tool_choice)
  if (choice.type === 'tool' && !names.includes(choice.name)) problems.push(`there is no tool ${choice.name}`)
}

function checkMarks(request: Members, problems: string[]): void {
  let marks = 0
  const lives: unknown[] = []
  const blocks = listOf(request.messages).flatMap((each) => blocksOf(membersOf(each)))
  for (const each of [...listOf(request.tools), ...listOf(request.system), ...blocks]) {
    for (const block of [membersOf(each), ...blocksOf(membersOf(each))]) {
      if (block.cache_control === undefined) continue
      marks++
      lives.push(membersOf(block.cache_control).ttl ?? '5m')
    }
  }
  if (marks > 4) problems.push(`a maximum of 4 blocks with cache_control may be provided, found ${marks}`)
  if (lives.lastIndexOf('1h') > lives.indexOf('5m') && lives.includes('5m')) {
    problems.push('a mark of one hour stands behind one of five minutes')
  }
}

const isThinking = (block: Members | undefined): boolean =>
  block?.type === 'thinking' || block?.type === 'redacted_thinking'

function checkThinking(request: Members, messages: readonly Members[], problems: string[]): void {
  for (const [n, each] of messages.entries()) {
    if (isThinking(blocksOf(each).at(-1))) problems.push(`messages[${n}]: the final block cannot be thinking`)
  }
  const thinking = membersOf(request.thinking)
  if (thinking.type !== 'enabled' && thinking.type !== 'adaptive') return
  const choice = membersOf(request.tool_choice).type
  if (choice === 'any' || choice === 'tool') problems.push('thinking while tool_choice forces tool use')
  if (request.temperature !== undefined && request.temperature !== 1)
    problems.push('thinking with temperature')
  if (request.top_k !== undefined) problems.push('thinking with top_k')
  if (request.top_p !== undefined && Number(request.top_p) < 0.95) problems.push('thinking with top_p')
  if (messages.at(-1)?.role === 'assistant') problems.push('thinking with a prefilled answer')
  if (thinking.type !== 'enabled') return
  if (Number(thinking.budget_tokens) >= Number(request.max_tokens))
    problems.push('max_tokens has to exceed the budget')
  const turn = messages.findLastIndex(
    (each) => each.role === 'user' && !blocksOf(each).some(({ type }) => type === 'tool_result'),
  )
  const first = messages[turn + 1]
  if (first !== undefined && !isThinking(blocksOf(first)[0])) {
    problems.push(`messages[${turn + 1}]: expected thinking, as thinking is enabled`)
  }
}
