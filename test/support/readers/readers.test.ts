import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { create, perform, type Step } from '../../translate/response/writers/steps.js'
import { readChatStream } from './chat.js'
import type { ReadAnswer } from './events.js'
import { readMessagesStream } from './messages.js'
import { readResponsesStream } from './responses.js'

// A reader is strict only if it refuses what is wrong: streams with an event left out, doubled or moved.

const STEPS: Step[] = [
  { do: 'reasoning', text: 'Hm.' },
  { do: 'content', text: 'Yes' },
  { do: 'refusal', text: 'No' },
  { do: 'open', id: 'a', name: 'f', isCustom: false },
  { do: 'args', index: 0, text: '{}' },
  { do: 'open', id: 'b', name: 'g', isCustom: true },
  { do: 'args', index: 1, text: 'x' },
  { do: 'finish', reason: 'tool_calls', hasUsage: true },
]

const READERS = { chat: readChatStream, responses: readResponsesStream, messages: readMessagesStream }

/** Sequence numbers are given again, so that they alone do not show what was done. */
function joinEvents(events: readonly string[]): string {
  return events
    .map((event, n) => `${event.replace(/"sequence_number":\d+/, `"sequence_number":${n}`)}\n\n`)
    .join('')
}

function isRead(read: (text: string) => ReadAnswer, events: readonly string[]): boolean {
  try {
    return read(joinEvents(events)).end === 'finish'
  } catch {
    return false
  }
}

/** What may be left out or doubled without a trace: pieces of text where nothing repeats the whole, and the usage. */
const SILENT = {
  chat: /"delta":\{"(?:content":"Yes|reasoning|refusal|tool_calls":\[\{"index":\d,"function")|"usage":/,
  responses: /^$/,
  messages: /text_delta|thinking_delta|input_json_delta/,
} as const

for (const api of ['chat', 'responses', 'messages'] as const) {
  const read = READERS[api]
  const events = perform(create({ reads: api }), STEPS)
    .split('\n\n')
    .slice(0, -1)

  test(`the ${api} reader refuses a stream that lacks an event, or has one twice or in a wrong place`, () => {
    assert.ok(isRead(read, events))
    for (const [n, event] of events.entries()) {
      const isSilent = SILENT[api].test(event)
      const others = events.filter((_, other) => other !== n)
      // The last of two calls may be missing.
      if (!isSilent && !(api === 'chat' && event.includes('"id":"b"')))
        assert.not(isRead(read, others), `without ${event}`)
      if (!isSilent)
        assert.not(isRead(read, [...events.slice(0, n), event, ...events.slice(n)]), `twice: ${event}`)
      assert.not(isRead(read, [...others, event]) && n < events.length - 1, event)
    }
  })
}

test.run()
