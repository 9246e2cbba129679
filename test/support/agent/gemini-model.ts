import type { Fields } from '../readers/events.js'
import { listOf, membersOf } from '../vendors/checks.js'
import { validateGemini } from '../vendors/gemini.js'
import { type ModelAnswer, type Random, splitText } from './answers.js'
import type { ModelApi, Written } from './model.js'
import { drawId, inputOf, listObjectCalls, quote } from './model-texts.js'

/** Gemini's own API: the first call of a step has a signature that has to come back. */
export function createGeminiModel(random: Random): ModelApi {
  const known = new Map<string, string>()
  const write = (answer: ModelAnswer, streamed: boolean): Written => {
    const part = (text: string, thought: boolean): string =>
      `{"text":${quote(text)}${thought ? ',"thought":true' : ''}}`
    const calls = answer.calls.map((call, n) => {
      const signature = n === 0 ? drawId(random, 'Sig') : null
      if (call.nonce !== null && signature !== null) known.set(call.nonce, signature)
      const args = inputOf(call)
      const own = args === '{}' ? '' : `,"args":${args}`
      const id = random() < 0.5 ? `,"id":"${drawId(random, 'fc')}"` : ''
      return `{"functionCall":{"name":"${call.name}"${own}${id}}${signature === null ? '' : `,"thoughtSignature":"${signature}"`}}`
    })
    const usage =
      '"usageMetadata":{"promptTokenCount":12,"candidatesTokenCount":3,"totalTokenCount":16,"thoughtsTokenCount":1}'
    const rest = `${usage},"modelVersion":"gemini-x","responseId":"${drawId(random, 'r')}"`
    const candidate = (parts: readonly string[], end: boolean): string =>
      `{"candidates":[{"content":{"parts":[${parts.join(',')}],"role":"model"},${end ? '"finishReason":"STOP",' : ''}"index":0}],${rest}}`
    if (!streamed) {
      const all = [...(answer.thinking === '' ? [] : [part(answer.thinking, true)])]
      if (answer.text !== '') all.push(part(answer.text, false))
      return { parts: [candidate([...all, ...calls], true)], ending: 0 }
    }
    const parts = splitText(random, answer.thinking).map((each) => candidate([part(each, true)], false))
    for (const each of splitText(random, answer.text)) parts.push(candidate([part(each, false)], false))
    if (random() < 0.5) for (const each of calls) parts.push(candidate([each], false))
    else if (calls.length > 0) parts.push(candidate(calls, false))
    const ending = parts.length
    // A signature may also come with the last text.
    const last =
      calls.length > 0 ? '{"text":""}' : `{"text":"","thoughtSignature":"${drawId(random, 'Sig')}"}`
    parts.push(candidate([last], true))
    return { parts: parts.map((each) => `data: ${each}\r\n\r\n`), ending }
  }
  const partsOf = (body: Fields): Fields[] =>
    listOf(body.contents)
      .flatMap((each) => listOf(membersOf(each).parts))
      .map((each) => membersOf(each) as Fields)
      .filter(({ functionCall }) => functionCall !== undefined)
  return {
    api: 'gemini',
    list: 'contents',
    write,
    isStreamed: ({ target }) => target.includes(':streamGenerateContent?alt=sse'),
    validate: (body) => validateGemini(body, { signatures: true }),
    thinks: ({ generationConfig }) =>
      membersOf(membersOf(generationConfig).thinkingConfig).includeThoughts === true,
    checkThinking: (body) =>
      partsOf(body).flatMap(({ functionCall, thoughtSignature }) => {
        const nonce = /n\d+x\d+/.exec(quote(functionCall))?.[0] ?? ''
        const expected = known.get(nonce)
        return expected === undefined || thoughtSignature === expected
          ? []
          : [`the signature of ${nonce} is ${thoughtSignature}`]
      }),
    listCalls: (body, text) =>
      listObjectCalls(
        text,
        partsOf(body).map(({ functionCall }) => ({
          name: functionCall.name,
          input: functionCall.args ?? {},
        })),
      ),
  }
}
