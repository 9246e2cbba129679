/** Parts of a chat completion request that only some upstreams accept; for others they are rewritten. */
export interface Capabilities {
  /** OpenAI's custom tools: their input is free text, perhaps by a grammar, instead of JSON arguments. */
  readonly customTools: boolean
  /** `reasoning` as an object, which Cursor sends and OpenRouter accepts; OpenAI accepts only `reasoning_effort`. */
  readonly reasoning: boolean
}

/** For gateways, which adapt requests themselves: as little as possible is rewritten. */
export const ALL_CAPABILITIES: Capabilities = { customTools: true, reasoning: true }
