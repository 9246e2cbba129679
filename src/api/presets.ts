import { ALL_CAPABILITIES, type Capabilities } from './capabilities.js'

/** How a credential is sent to an upstream. */
export const AUTH_SCHEMES = ['bearer', 'x-api-key', 'api-key', 'anthropic', 'query', 'none'] as const
export type AuthScheme = (typeof AUTH_SCHEMES)[number]

/** The APIs that are told apart; any other path is for whoever is asked. */
export const APIS = ['chat', 'completions', 'responses', 'messages', 'embeddings'] as const
export type Api = (typeof APIS)[number]

/**
 * How a path becomes one of the upstream's: `plain`, put behind the base URL; `deployments`, with the model's name in it, as
 * Azure had it before its v1 API.
 */
export type PathStyle = 'plain' | 'deployments'

export interface Preset {
  /** Null where each has an address of its own. */
  readonly baseUrl: string | null
  readonly auth: AuthScheme
  /** Null: all. */
  readonly apis: readonly Api[] | null
  /** The environment variable in which its key is looked for; null if there is no usual one. */
  readonly keyEnv: string | null
  /** It can be used without. */
  readonly keyless: boolean
  /** From the environment, with what stands in front of the value; each is needed. */
  readonly headers: Readonly<Record<string, { readonly env: string; readonly prefix?: string }>>
  readonly query: Readonly<Record<string, string>>
  readonly paths: PathStyle
  /** Its list of models has what can be asked for: Azure's has what could be deployed. */
  readonly listed: boolean
  /** Put behind a base URL that has no path. */
  readonly defaultPath: string
  /** What is found behind another base path, by how the path begins: `/messages` and `/messages/x`. */
  readonly elsewhere: Readonly<Record<string, string>>
  /** Of what Cursor mixes into chats, what they take as it is. */
  readonly chat: Capabilities
}

const NO_CUSTOM: Capabilities = { customTools: false, reasoning: false }
const OPENAI_CHAT: Capabilities = { customTools: true, reasoning: false }

/** What most of them have. */
const OPENAI_LIKE = {
  baseUrl: null,
  auth: 'bearer',
  apis: null,
  keyless: false,
  headers: {},
  query: {},
  paths: 'plain',
  listed: true,
  defaultPath: '',
  elsewhere: {},
  chat: NO_CUSTOM,
} as const

/** On this machine, and open unless it was told otherwise. */
const LOCAL = { ...OPENAI_LIKE, keyless: true } as const

const rows = {
  openai: {
    ...OPENAI_LIKE,
    chat: OPENAI_CHAT,
    baseUrl: 'https://api.openai.com/v1',
    keyEnv: 'OPENAI_API_KEY',
    apis: ['chat', 'completions', 'responses', 'embeddings'],
  },
  // https://RESOURCE.openai.azure.com; the model is the name of a deployment, and needs no api-version.
  azure: {
    ...OPENAI_LIKE,
    chat: OPENAI_CHAT,
    keyEnv: 'AZURE_OPENAI_API_KEY',
    auth: 'api-key',
    apis: ['chat', 'completions', 'responses', 'embeddings'],
    listed: false,
    defaultPath: '/openai/v1',
  },
  // The API of before, which wants the deployment in the path and a version in the query.
  'azure-deployments': {
    ...OPENAI_LIKE,
    chat: OPENAI_CHAT,
    keyEnv: 'AZURE_OPENAI_API_KEY',
    auth: 'api-key',
    apis: ['chat', 'completions', 'embeddings'],
    query: { 'api-version': '2024-10-21' },
    paths: 'deployments',
    listed: false,
    defaultPath: '/openai',
  },
  // Messages, and chat completions for clients of OpenAI's.
  anthropic: {
    ...OPENAI_LIKE,
    baseUrl: 'https://api.anthropic.com/v1',
    keyEnv: 'ANTHROPIC_API_KEY',
    auth: 'anthropic',
    apis: ['chat', 'messages'],
  },
  gemini: {
    ...OPENAI_LIKE,
    baseUrl: 'https://generativelanguage.googleapis.com/v1beta/openai',
    keyEnv: 'GEMINI_API_KEY',
    apis: ['chat', 'embeddings'],
  },
  groq: {
    ...OPENAI_LIKE,
    baseUrl: 'https://api.groq.com/openai/v1',
    keyEnv: 'GROQ_API_KEY',
    apis: ['chat', 'responses'],
  },
  deepseek: {
    ...OPENAI_LIKE,
    baseUrl: 'https://api.deepseek.com',
    keyEnv: 'DEEPSEEK_API_KEY',
    apis: ['chat', 'completions', 'messages'],
    elsewhere: { '/completions': '/beta', '/messages': '/anthropic/v1' },
  },
  mistral: {
    ...OPENAI_LIKE,
    baseUrl: 'https://api.mistral.ai/v1',
    keyEnv: 'MISTRAL_API_KEY',
    // Of completions, the one that fills in the middle: /fim/completions.
    apis: ['chat', 'completions', 'embeddings'],
  },
  xai: {
    ...OPENAI_LIKE,
    baseUrl: 'https://api.x.ai/v1',
    keyEnv: 'XAI_API_KEY',
    apis: ['chat', 'completions', 'responses'],
  },
  openrouter: {
    ...OPENAI_LIKE,
    baseUrl: 'https://openrouter.ai/api/v1',
    keyEnv: 'OPENROUTER_API_KEY',
    chat: { customTools: false, reasoning: true },
  },
  together: {
    ...OPENAI_LIKE,
    baseUrl: 'https://api.together.ai/v1',
    keyEnv: 'TOGETHER_API_KEY',
    apis: ['chat', 'completions', 'embeddings'],
  },
  fireworks: {
    ...OPENAI_LIKE,
    baseUrl: 'https://api.fireworks.ai/inference/v1',
    keyEnv: 'FIREWORKS_API_KEY',
  },
  ollama: { ...LOCAL, baseUrl: 'http://127.0.0.1:11434/v1', keyEnv: 'OLLAMA_API_KEY' },
  vllm: { ...LOCAL, keyEnv: 'VLLM_API_KEY', defaultPath: '/v1' },
  'llama-cpp': {
    ...LOCAL,
    baseUrl: 'http://127.0.0.1:8080/v1',
    keyEnv: 'LLAMA_API_KEY',
    defaultPath: '/v1',
    // What its editor plugins ask, and its own API, have no version.
    elsewhere: { '/infill': '', '/completion': '' },
  },
  'lm-studio': { ...LOCAL, baseUrl: 'http://127.0.0.1:1234/v1', keyEnv: 'LM_API_TOKEN', defaultPath: '/v1' },
  // Other gateways. LiteLLM's own port is ours, so that its address has to be told.
  litellm: { ...LOCAL, keyEnv: 'LITELLM_API_KEY', defaultPath: '/v1', chat: ALL_CAPABILITIES },
  // apiKey is then the provider's, if Portkey does not keep that.
  portkey: {
    ...LOCAL,
    chat: ALL_CAPABILITIES,
    baseUrl: 'https://api.portkey.ai/v1',
    keyEnv: null,
    headers: { 'x-portkey-api-key': { env: 'PORTKEY_API_KEY' } },
  },
  // Its proxy before OpenAI, with OpenAI's key; its gateway takes the key of Helicone alone.
  helicone: {
    ...OPENAI_LIKE,
    chat: ALL_CAPABILITIES,
    baseUrl: 'https://oai.helicone.ai/v1',
    keyEnv: 'OPENAI_API_KEY',
    apis: ['chat', 'completions', 'responses', 'embeddings'],
    headers: { 'helicone-auth': { env: 'HELICONE_API_KEY', prefix: 'Bearer ' } },
  },
  'helicone-gateway': {
    ...OPENAI_LIKE,
    chat: ALL_CAPABILITIES,
    baseUrl: 'https://ai-gateway.helicone.ai/v1',
    keyEnv: 'HELICONE_API_KEY',
  },
} as const satisfies Record<string, Preset>

export type PresetName = keyof typeof rows

export const PRESETS: Readonly<Record<PresetName, Preset>> = rows
export const PRESET_NAMES = Object.keys(rows) as [PresetName, ...PresetName[]]
