/** What an upstream's chat completions take that others' do not. */
export interface Capabilities {
  /** Custom tools, as OpenAI has them: free text, perhaps with a grammar, instead of JSON arguments. */
  readonly customTools: boolean
  /** `reasoning` as an object, as OpenRouter has it and Cursor sends it; OpenAI takes `reasoning_effort` alone. */
  readonly reasoning: boolean
}

/** As little as can be is changed. */
export const ALL_CAPABILITIES: Capabilities = { customTools: true, reasoning: true }
