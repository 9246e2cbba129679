import { createResponseWriter, type WriterOptions } from '../../../../src/translate/response/create-writer.js'
import type { FinishReason, ResponseWriter } from '../../../../src/translate/response/response-writer.js'
import { fc } from '../../../support/property.js'

/** One call of a writer. */
export type Step =
  | { readonly do: 'content' | 'reasoning' | 'refusal'; readonly text: string }
  | { readonly do: 'open'; readonly id: string; readonly name: string; readonly isCustom: boolean }
  | { readonly do: 'args'; readonly index: number; readonly text: string }
  | { readonly do: 'begin'; readonly id: string | null; readonly created: number | null }
  | { readonly do: 'comment' | 'keepAlive' | 'fail' | 'take' }
  | { readonly do: 'finish'; readonly reason: FinishReason; readonly hasUsage: boolean }

export const USAGE = {
  prompt_tokens: 100,
  completion_tokens: 20,
  total_tokens: 120,
  prompt_tokens_details: { cached_tokens: 30 },
  completion_tokens_details: { reasoning_tokens: 7 },
}

export const ERROR = { message: 'It broke.', type: 'server_error', param: null, code: 'broken' }

const text = fc.oneof(
  { weight: 4, arbitrary: fc.string({ maxLength: 8, unit: 'grapheme' }) },
  fc.constantFrom('', '\n\n', '"', '\\', 'data: x', '[DONE]', '\r', '\u2028', '🦊', '</think>'),
)
const input = fc.oneof(
  fc.constantFrom('{', '{"a":', '1}', '{}', ' ', '{"b":[1,2]}', '}', 'x', ''),
  fc.string({ maxLength: 6 }),
)
const reason = fc.constantFrom<FinishReason>('stop', 'length', 'tool_calls', 'content_filter')

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constantFrom('content', 'reasoning', 'refusal'), text }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('open'),
      id: text,
      name: text,
      isCustom: fc.boolean(),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('args'), index: fc.integer({ min: -1, max: 5 }), text: input }),
  },
  fc.record({
    do: fc.constant('begin'),
    id: fc.option(fc.string({ minLength: 1 })),
    created: fc.constantFrom(null, 1_700_000_000),
  }),
  fc.record({ do: fc.constantFrom('comment', 'keepAlive', 'take') }),
) as fc.Arbitrary<Step>

const end: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('finish'), reason, hasUsage: fc.boolean() }) },
  fc.record({ do: fc.constant('fail') }),
) as fc.Arbitrary<Step>

/** Any calls of a writer in any order, often with an end, and often with more behind it. */
export const anySteps = fc
  .tuple(fc.array(step, { maxLength: 25 }), fc.array(fc.oneof(end, step), { maxLength: 4 }))
  .map(([before, after]) => [...before, ...after])

/** The calls for an answer with tool calls whose arguments come mixed, all of them complete. */
export const mixedAnswer: fc.Arbitrary<{ steps: Step[]; inputs: string[]; text: string }> = fc
  .tuple(
    fc.array(fc.dictionary(fc.string({ maxLength: 4 }), fc.jsonValue({ maxDepth: 1 }), { maxKeys: 3 }), {
      minLength: 1,
      maxLength: 5,
    }),
    fc.array(fc.nat(6), { minLength: 5, maxLength: 60 }),
  )
  .map(([objects, order]) => {
    const inputs = objects.map((object) => JSON.stringify(object))
    const rests = inputs.map((whole) => whole.match(/.{1,5}/gsu) ?? [])
    const steps: Step[] = []
    let opened = 0
    let said = ''
    const give = (index: number): void => {
      for (; opened <= index; opened++)
        steps.push({ do: 'open', id: `call_${opened}`, name: `tool_${opened}`, isCustom: false })
      const piece = rests[index]?.shift()
      if (piece !== undefined) steps.push({ do: 'args', index, text: piece })
    }
    for (const each of order) {
      if (each < inputs.length) give(each)
      else {
        said += 'word '
        steps.push({ do: 'content', text: 'word ' })
      }
    }
    for (const [index, rest] of rests.entries()) for (let n = rest.length; n >= 0; n--) give(index)
    return { steps, inputs, text: said }
  })

/** Makes the calls. */
export function perform(writer: ResponseWriter, steps: readonly Step[]): string {
  const bytes: Buffer[] = []
  for (const each of steps) {
    switch (each.do) {
      case 'content':
      case 'reasoning':
      case 'refusal':
        writer[each.do](each.text)
        break
      case 'open':
        writer.openCall(each.id, each.name, each.isCustom)
        break
      case 'args':
        writer.callArguments(each.index, each.text)
        break
      case 'begin':
        writer.begin(each.id, each.created, 'm-1')
        break
      case 'comment':
        writer.comment(': ping or not')
        break
      case 'keepAlive':
        writer.keepAlive()
        break
      case 'finish':
        writer.finish(each.reason, each.hasUsage ? USAGE : null)
        break
      case 'fail':
        writer.fail(ERROR)
        break
      case 'take':
        bytes.push(writer.take())
    }
  }
  bytes.push(writer.take())
  return Buffer.concat(bytes).toString()
}

export function create(options: Partial<WriterOptions>): ReturnType<typeof createResponseWriter> {
  return createResponseWriter({
    reads: 'chat',
    stream: true,
    includeUsage: true,
    model: 'asked',
    showThinking: 'reasoning_content',
    ...options,
  })
}
