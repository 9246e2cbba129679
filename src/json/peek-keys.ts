import { KeyTable } from './key-table.js'
import type { ReferenceField } from './references.js'

/** A key that some servers read as `model`. */
export const OTHER_MODEL = 'Model'

/** Settings of an answer that stand in an object of their own. */
export const SETTINGS = 'settings'

/** A top-level member that the peek looks for. */
export type Key =
  | 'model'
  | typeof OTHER_MODEL
  | 'models'
  | 'session'
  | 'stream'
  | 'stream_options'
  | 'max_tokens'
  | 'max_completion_tokens'
  | 'max_output_tokens'
  | typeof SETTINGS
  | 'temperature'
  | 'n'
  | 'tools'
  | 'functions'
  | 'prompt'
  | 'store'
  | 'background'
  | 'prompt_cache_key'
  | 'session_id'
  | 'metadata'
  | ReferenceField

/** The members that the peek looks for, by their names. */
export const KEYS = new KeyTable<Key>({
  model: 'model',
  models: 'models',
  fallbacks: 'models',
  fallback_models: 'models',
  session: 'session',
  stream: 'stream',
  stream_options: 'stream_options',
  max_tokens: 'max_tokens',
  max_completion_tokens: 'max_completion_tokens',
  max_output_tokens: 'max_output_tokens',
  // Of Gemini, Bedrock (Converse, and Titan's models) and Ollama.
  generationConfig: SETTINGS,
  generation_config: SETTINGS,
  inferenceConfig: SETTINGS,
  textGenerationConfig: SETTINGS,
  options: SETTINGS,
  temperature: 'temperature',
  n: 'n',
  tools: 'tools',
  functions: 'functions',
  prompt: 'prompt',
  store: 'store',
  background: 'background',
  prompt_cache_key: 'prompt_cache_key',
  session_id: 'session_id',
  metadata: 'metadata',
  previous_response_id: 'previous_response_id',
  conversation: 'conversation',
  input_file_id: 'input_file_id',
  training_file: 'training_file',
  file_id: 'file_id',
  assistant_id: 'assistant_id',
})
