import { findTraits, type TraitSource } from '../api/model-table.js'
import type { ModelTraits } from '../api/model-traits.js'
import type { DestinationsConfig } from '../config/config.js'
import { wrapLine } from './wrap-line.js'

const LABEL = 21

/**
 * Tells in plain words what one target of a model wants, with the source of each fact.
 * @param target with the model's name as its upstream gets it
 * @param number of the target in its list; null if it is the only one
 */
export function describeTarget(
  target: { readonly upstream: string; readonly model: string },
  number: number | null,
  { upstreams, modelRules: rules }: DestinationsConfig,
): string {
  const upstream = upstreams.find(({ name }) => name === target.upstream)
  const preset = upstream?.preset ?? null
  const { traits, sources } = findTraits({ ...target, preset, rules })
  const apis = upstream?.apis ?? null
  const numbered = number === null ? '' : `${number}. `
  const kind = preset === null ? 'which has no preset' : `preset ${preset}`
  let text = wrapLine(numbered, `${target.model} at the upstream ${target.upstream} (${kind})`)
  const lacks = traits.api !== null && apis !== null && !apis.includes(traits.api)
  for (const [name, [label, describe]] of Object.entries(WORDS)) {
    const key = name as keyof ModelTraits
    const more = key === 'api' && lacks ? ', which the upstream does not have: one that it has' : ''
    const value = `${describe(traits)}${more} (${describeSource(sources[key])})`
    text += wrapLine(`   ${label}`.padEnd(LABEL), value)
  }
  return text
}

/** For each trait: what it is called here, and its value in words. */
const WORDS: Readonly<Record<keyof ModelTraits, readonly [string, (traits: ModelTraits) => string]>> = {
  api: ['API', ({ api }) => (api === null ? 'the one of the body' : API_NAMES[api])],
  refuses: ['left out', ({ refuses }) => (refuses.length === 0 ? 'nothing' : refuses.join(', '))],
  refusesTogether: [
    'not together',
    ({ refusesTogether: pairs }) =>
      pairs.length === 0 ? 'nothing' : pairs.map(([first, second]) => `${first} and ${second}`).join(', '),
  ],
  limitField: ['limit of tokens', ({ limitField }) => limitField],
  efforts: [
    'efforts',
    ({ efforts }) =>
      efforts === null ? 'as the client says' : efforts.length === 0 ? 'none is sent' : efforts.join(', '),
  ],
  customTools: ['custom tools', ({ customTools }) => (customTools ? 'yes' : 'no: made into functions')],
  reasoningObject: [
    'reasoning',
    ({ reasoningObject }) =>
      reasoningObject ? 'in chat, also as an object' : 'in chat, as reasoning_effort',
  ],
  chatThinking: [
    'thinking in chat',
    ({ chatThinking }) => (chatThinking === 'none' ? 'not sent back' : `sent back as ${chatThinking}`),
  ],
  thinking: ['thinking', ({ thinking }) => (thinking === null ? 'as the client says' : THINKING[thinking])],
  maxOutputTokens: [
    'longest output',
    ({ maxOutputTokens }) => (maxOutputTokens === null ? 'unknown' : `${maxOutputTokens} tokens`),
  ],
  callIds: ['call ids', ({ callIds }) => (callIds === 'any' ? 'any' : 'nine letters and digits')],
  toolNames: [
    'tool names',
    ({ toolNames }) => (toolNames === null ? 'as its API has them' : `as ${TOOL_NAMES[toolNames]} has them`),
  ],
}

const API_NAMES = {
  chat: 'chat completions',
  responses: 'Responses',
  messages: 'Messages',
  gemini: "Gemini's own (generateContent)",
} as const

const TOOL_NAMES = { openai: 'OpenAI', anthropic: 'Anthropic', gemini: 'Gemini' } as const

const THINKING = {
  none: 'not asked for in Messages or by Gemini',
  budget: 'by a budget of tokens',
  adaptive: 'by an effort',
} as const

function describeSource({ kind, name }: TraitSource): string {
  switch (kind) {
    case 'rule':
      return `config, ${name}`
    case 'row':
      return `built-in row ${name}`
    case 'preset':
      return `preset ${name}`
    case 'default':
      return 'default'
  }
}
