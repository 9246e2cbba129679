import { z } from 'zod'
import { CONVERSATION_APIS } from '../api/apis.js'
import { PRESET_NAMES } from '../api/presets.js'
import { count, glob } from './schema-values.js'

const apis = CONVERSATION_APIS as [
  (typeof CONVERSATION_APIS)[number],
  ...(typeof CONVERSATION_APIS)[number][],
]

/** An entry of `modelTraits`. What it does not give is taken from the built-in table and the preset. */
export const modelTraits = z.strictObject({
  match: glob.describe('Model name as the upstream gets it, or a list; `*` matches anything: `my-gpt5*`.'),
  upstream: z.string().optional().describe('Name of an entry of `upstreams`. Not given: any upstream.'),
  preset: z.enum(PRESET_NAMES).optional().describe('Only upstreams of this preset. Not given: any upstream.'),
  api: z
    .enum(apis)
    .nullable()
    .optional()
    .describe(
      "API by which the model is asked, if its upstream has it. `null`: the API that the client's body is written for.",
    ),
  refuses: z
    .array(z.string().min(1))
    .optional()
    .describe('Request fields that the model refuses: they are left out. Replaces the built-in list.'),
  refusesTogether: z
    .array(z.tuple([z.string().min(1), z.string().min(1)]))
    .optional()
    .describe(
      'Pairs of request fields that the model refuses together: where a request has both, the second is left out.',
    ),
  limitField: z
    .enum(['max_tokens', 'max_completion_tokens'])
    .optional()
    .describe('Name of the limit of output tokens in chat completions.'),
  efforts: z
    .array(z.string().min(1))
    .nullable()
    .optional()
    .describe(
      'Reasoning efforts that the model takes, from low to high: `["low", "medium", "high"]`. Empty: none is sent. `null`: what the client says.',
    ),
  customTools: z
    .boolean()
    .optional()
    .describe('Whether the model takes custom tools (free text). Otherwise they become functions.'),
  reasoningObject: z
    .boolean()
    .optional()
    .describe('Whether its chat completions take `reasoning` as an object, as OpenRouter does.'),
  chatThinking: z
    .enum(['none', 'reasoning_content', 'thought_signature'])
    .optional()
    .describe(
      'How earlier thinking is sent back beside tool calls, in chat completions. `reasoning_content`: as DeepSeek and Kimi want it. `thought_signature`: as Gemini does.',
    ),
  thinking: z
    .enum(['none', 'budget', 'adaptive'])
    .nullable()
    .optional()
    .describe(
      'How a Claude or Gemini model is asked to think. `budget`: by a number of tokens. `adaptive`: by an effort. `none`: not at all. `null`: as the client says.',
    ),
  maxOutputTokens: count()
    .nullable()
    .optional()
    .describe('Longest output of the model, in tokens. `null`: unknown.'),
  callIds: z
    .enum(['any', 'nine'])
    .optional()
    .describe('Call ids that the model takes. `nine`: nine letters and digits, as Mistral wants.'),
  toolNames: z
    .enum(['openai', 'anthropic', 'gemini'])
    .nullable()
    .optional()
    .describe(
      'Names of tools that the model takes, as this vendor has them. Others are replaced, and put back in answers. `null`: as the API of the request.',
    ),
})
