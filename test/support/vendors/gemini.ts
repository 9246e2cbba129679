import {
  anyObject,
  array,
  base64,
  count,
  listOf,
  type Members,
  membersOf,
  number,
  object,
  oneOf,
  requireDistinct,
  text,
  truth,
} from './checks.js'

export interface GeminiRules {
  /** Gemini 3: the first call of each step has a signature, and JSON answers go together with functions. */
  readonly signatures?: boolean
}

/** @returns why Google would refuse the body of `generateContent` */
export function validateGemini(body: unknown, rules: GeminiRules = {}): string[] {
  const problems: string[] = []
  bodyCheck(body, 'body', problems)
  const request = membersOf(body)
  const contents = listOf(request.contents).map(membersOf)
  for (const [n, content] of contents.entries()) {
    for (const [at, part] of listOf(content.parts).map(membersOf).entries()) {
      const found = DATA.filter((kind) => part[kind] !== undefined)
      if (found.length !== 1) problems.push(`contents[${n}].parts[${at}] has to have one kind of data`)
    }
  }
  checkOrder(contents, rules, problems)
  checkTools(request, rules, problems)
  return problems
}

const DATA = ['text', 'inlineData', 'fileData', 'functionCall', 'functionResponse']
const name = text({ pattern: /^[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}$/ })
const mimeType = text({ pattern: /^[a-z]+\/[a-z0-9.+-]+$/ })
const part = object(
  {},
  {
    text: text(),
    inlineData: object({ mimeType, data: base64 }),
    fileData: object({ fileUri: text() }, { mimeType }),
    functionCall: object({ name, args: anyObject }, { id: text() }),
    functionResponse: object({ name, response: anyObject }, { id: text() }),
    thoughtSignature: text({ pattern: /^[A-Za-z0-9+/_-]+={0,2}$/ }),
    thought: truth,
  },
)
const bodyCheck = object(
  { contents: array(object({ role: oneOf('user', 'model'), parts: array(part, 1) }), 1) },
  {
    systemInstruction: object({ parts: array(object({ text: text() }), 1) }),
    tools: array(
      object({
        functionDeclarations: array(
          object({ name }, { description: text(), parametersJsonSchema: anyObject }),
          1,
          128,
        ),
      }),
      1,
    ),
    toolConfig: object({
      functionCallingConfig: object(
        { mode: oneOf('AUTO', 'ANY', 'NONE', 'VALIDATED') },
        { allowedFunctionNames: array(name, 1) },
      ),
    }),
    generationConfig: object(
      {},
      {
        maxOutputTokens: count(),
        temperature: number(0, 2),
        topP: number(0, 1),
        topK: count(),
        seed: number(-(2 ** 31), 2 ** 31 - 1, true),
        stopSequences: array(text(), 1, 5),
        frequencyPenalty: number(-2, 2),
        presencePenalty: number(-2, 2),
        responseMimeType: oneOf('text/plain', 'application/json'),
        responseJsonSchema: anyObject,
        thinkingConfig: object(
          {},
          {
            includeThoughts: truth,
            thinkingBudget: number(-1, 32_768, true),
            thinkingLevel: oneOf('minimal', 'low', 'medium', 'high'),
          },
        ),
      },
    ),
  },
)

function checkOrder(contents: readonly Members[], { signatures }: GeminiRules, problems: string[]): void {
  if (contents[0]?.role !== 'user') problems.push('the first content has to be the user’s')
  let open: readonly unknown[] = []
  for (const [n, content] of contents.entries()) {
    if (n > 0 && content.role === contents[n - 1]?.role)
      problems.push(`contents[${n}]: roles have to take turns`)
    const parts = listOf(content.parts).map(membersOf)
    const results = parts.filter((each) => each.functionResponse !== undefined)
    const names = results.map((each) => membersOf(each.functionResponse).name)
    if (names.length !== open.length) {
      problems.push(`contents[${n}]: as many function response parts are required as function call parts`)
    } else if (names.join() !== open.join()) problems.push(`contents[${n}]: responses of other functions`)
    const calls = parts.filter((each) => each.functionCall !== undefined)
    if (calls.length > 0 && content.role !== 'model')
      problems.push(`contents[${n}]: the user calls a function`)
    if (results.length > 0 && content.role !== 'user')
      problems.push(`contents[${n}]: the model gives results`)
    if (signatures === true && calls.length > 0 && calls[0]?.thoughtSignature === undefined) {
      problems.push(`contents[${n}]: function call is missing a thought_signature`)
    }
    open = calls.map((each) => membersOf(each.functionCall).name)
  }
  if (open.length > 0) problems.push('the last calls have no results')
}

function checkTools(request: Members, { signatures }: GeminiRules, problems: string[]): void {
  const names = listOf(request.tools)
    .flatMap((tool) => listOf(membersOf(tool).functionDeclarations))
    .map((each) => membersOf(each).name)
  requireDistinct(names, 'function names', problems)
  const choice = membersOf(membersOf(request.toolConfig).functionCallingConfig)
  if (request.toolConfig !== undefined && names.length === 0) problems.push('toolConfig without functions')
  if (choice.allowedFunctionNames !== undefined && choice.mode !== 'ANY') {
    problems.push('allowedFunctionNames with another mode than ANY')
  }
  for (const each of listOf(choice.allowedFunctionNames)) {
    if (!names.includes(each)) problems.push(`allowedFunctionNames: there is no ${each}`)
  }
  const config = membersOf(request.generationConfig)
  if (config.responseJsonSchema !== undefined && config.responseMimeType !== 'application/json') {
    problems.push('responseJsonSchema without a response mime type of JSON')
  }
  if (config.responseMimeType === 'application/json' && names.length > 0 && signatures !== true) {
    problems.push('function calling with a response mime type of JSON is unsupported')
  }
  const thinking = membersOf(config.thinkingConfig)
  if (thinking.thinkingBudget !== undefined && thinking.thinkingLevel !== undefined) {
    problems.push('thinkingBudget and thinkingLevel together')
  }
}
