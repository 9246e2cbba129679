import { ANTHROPIC_QUIRKS, AZURE_QUIRKS, GEMINI_QUIRKS, OPENAI_QUIRKS } from './first-party.js'
import { DEEPSEEK_QUIRKS, GROQ_QUIRKS, OPENROUTER_QUIRKS, XAI_QUIRKS } from './hosts.js'
import type { Quirk } from './quirk.js'
import { LLAMA_QUIRKS, OLLAMA_QUIRKS, VLLM_QUIRKS } from './servers.js'

/** How each API is unlike the others, in whole answers. */
export const QUIRKS: readonly Quirk[] = [
  ...OPENAI_QUIRKS,
  ...AZURE_QUIRKS,
  ...ANTHROPIC_QUIRKS,
  ...GEMINI_QUIRKS,
  ...DEEPSEEK_QUIRKS,
  ...OPENROUTER_QUIRKS,
  ...GROQ_QUIRKS,
  ...XAI_QUIRKS,
  ...OLLAMA_QUIRKS,
  ...VLLM_QUIRKS,
  ...LLAMA_QUIRKS,
]
