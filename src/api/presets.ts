/** In which header, or in the query, a credential is sent to an upstream. */
export const AUTH_SCHEMES = [
  ...(['bearer', 'x-api-key', 'api-key', 'anthropic'] as const),
  ...(['x-goog-api-key', 'query', 'none'] as const),
] as const
/** One of `AUTH_SCHEMES`. */
export type AuthScheme = (typeof AUTH_SCHEMES)[number]

/** The APIs that routes distinguish. Any other path goes to the upstream of its route, whatever APIs that has. */
export const APIS = [
  ...(['chat', 'completions', 'responses', 'messages', 'embeddings'] as const),
  ...(['gemini', 'ollama', 'cohere', 'bedrock', 'vertex'] as const),
] as const
/** One of `APIS`. */
export type Api = (typeof APIS)[number]

/**
 * How the path of a request becomes the upstream's: `plain` appends it to the base URL; `deployments` puts the
 * model's name into it, as Azure's API before v1 wants it.
 */
export type PathStyle = 'plain' | 'deployments'

/** The defaults for an upstream of one provider or server. */
export interface Preset {
  /** Null if each installation has its own address. */
  readonly baseUrl: string | null
  readonly auth: AuthScheme
  /** Null: all. */
  readonly apis: readonly Api[] | null
  /** The environment variable that usually holds its key; null if there is none. */
  readonly keyEnv: string | null
  /** Whether it can be used without a key. */
  readonly keyless: boolean
  /** Headers with values from the environment, after an optional prefix. Each of them is required. */
  readonly headers: Readonly<Record<string, { readonly env: string; readonly prefix?: string }>>
  readonly query: Readonly<Record<string, string>>
  readonly paths: PathStyle
  /** Whether its list of models holds the models that can be used: Azure lists those that could be deployed. */
  readonly listed: boolean
  /** Appended to a base URL that has no path. */
  readonly defaultPath: string
  /** Base paths of APIs that have another one, by path prefix: `/messages` stands for `/messages/x` too. */
  readonly elsewhere: Readonly<Record<string, string>>
  /** Its names in price files, which stand before the model (`groq/llama-3.3-70b`). The likeliest first. */
  readonly priceProviders: readonly string[]
  /** Whether the price of another provider's model of the same name applies. */
  readonly takesOtherPrices: boolean
}

/** The usual values. */
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
  priceProviders: [],
  takesOtherPrices: true,
} as const

/** Other gateways: any provider may be behind them. */
const GATEWAY = { ...OPENAI_LIKE, keyless: true } as const

/** For servers that usually run on the same machine without a key. What they call `gpt-4o` is not OpenAI's. */
const LOCAL = { ...GATEWAY, takesOtherPrices: false } as const

/**
 * Ollama's own API has no version in its path. Only what reads and generates is there: what deletes or loads models
 * gets the base path in front, and with it Ollama's 404, so that no client of the relay changes the models of all.
 */
const OLLAMA_PATHS = {
  '/api/chat': '',
  '/api/generate': '',
  '/api/embed': '',
  '/api/embeddings': '',
  '/api/tags': '',
  '/api/show': '',
  '/api/ps': '',
  '/api/version': '',
} as const

const rows = {
  openai: {
    ...OPENAI_LIKE,
    baseUrl: 'https://api.openai.com/v1',
    keyEnv: 'OPENAI_API_KEY',
    apis: ['chat', 'completions', 'responses', 'embeddings'],
    priceProviders: ['openai'],
  },
  // https://RESOURCE.openai.azure.com. The model is the name of a deployment; no api-version is needed.
  azure: {
    ...OPENAI_LIKE,
    keyEnv: 'AZURE_OPENAI_API_KEY',
    auth: 'api-key',
    apis: ['chat', 'completions', 'responses', 'embeddings'],
    listed: false,
    defaultPath: '/openai/v1',
    priceProviders: ['azure', 'azure_ai', 'openai'],
  },
  // Azure's API before v1, with the deployment in the path and a version in the query.
  'azure-deployments': {
    ...OPENAI_LIKE,
    keyEnv: 'AZURE_OPENAI_API_KEY',
    auth: 'api-key',
    apis: ['chat', 'completions', 'embeddings'],
    query: { 'api-version': '2024-10-21' },
    priceProviders: ['azure', 'azure_ai', 'openai'],
    paths: 'deployments',
    listed: false,
    defaultPath: '/openai',
  },
  // It has a compatible chat completions API beside Messages.
  anthropic: {
    ...OPENAI_LIKE,
    baseUrl: 'https://api.anthropic.com/v1',
    keyEnv: 'ANTHROPIC_API_KEY',
    auth: 'anthropic',
    apis: ['chat', 'messages'],
    priceProviders: ['anthropic'],
  },
  gemini: {
    ...OPENAI_LIKE,
    baseUrl: 'https://generativelanguage.googleapis.com/v1beta/openai',
    keyEnv: 'GEMINI_API_KEY',
    apis: ['chat', 'embeddings'],
    priceProviders: ['gemini', 'vertex_ai'],
  },
  // Its own API (`generateContent`), which has more than the compatible one: thoughts, files, caches.
  'gemini-native': {
    ...OPENAI_LIKE,
    baseUrl: 'https://generativelanguage.googleapis.com/v1beta',
    keyEnv: 'GEMINI_API_KEY',
    auth: 'x-goog-api-key',
    apis: ['gemini'],
    // Its lists, files and caches, where the client's path has the version, and uploads, which have it inside.
    elsewhere: { '/v1beta': '', '/upload/v1beta': '' },
    // A list of names such as `models/gemini-3-pro`, in another form than OpenAI's.
    listed: false,
    priceProviders: ['gemini', 'vertex_ai'],
  },
  // Amazon Bedrock: its own paths, which name the model. Requests are signed (`aws`), or have an API key of Bedrock.
  bedrock: {
    ...OPENAI_LIKE,
    keyEnv: 'AWS_BEARER_TOKEN_BEDROCK',
    keyless: true,
    apis: ['messages', 'bedrock'],
    listed: false,
    priceProviders: ['bedrock', 'bedrock_converse', 'anthropic'],
  },
  // Google Cloud (`google`): Gemini's own API, Claude by `rawPredict`, and chat completions.
  vertex: {
    ...OPENAI_LIKE,
    keyEnv: null,
    keyless: true,
    apis: ['chat', 'messages', 'gemini', 'vertex'],
    listed: false,
    priceProviders: ['vertex_ai', 'gemini', 'anthropic'],
  },
  groq: {
    ...OPENAI_LIKE,
    baseUrl: 'https://api.groq.com/openai/v1',
    keyEnv: 'GROQ_API_KEY',
    apis: ['chat', 'responses'],
    priceProviders: ['groq'],
  },
  deepseek: {
    ...OPENAI_LIKE,
    baseUrl: 'https://api.deepseek.com',
    keyEnv: 'DEEPSEEK_API_KEY',
    apis: ['chat', 'completions', 'messages'],
    elsewhere: { '/completions': '/beta', '/messages': '/anthropic/v1' },
    priceProviders: ['deepseek'],
  },
  // Kimi. It takes its key as a bearer token at both APIs.
  moonshot: {
    ...OPENAI_LIKE,
    baseUrl: 'https://api.moonshot.ai/v1',
    keyEnv: 'MOONSHOT_API_KEY',
    apis: ['chat', 'messages'],
    elsewhere: { '/messages': '/anthropic/v1' },
    priceProviders: ['moonshot'],
  },
  // GLM.
  zai: {
    ...OPENAI_LIKE,
    baseUrl: 'https://api.z.ai/api/paas/v4',
    keyEnv: 'ZAI_API_KEY',
    apis: ['chat', 'messages'],
    elsewhere: { '/messages': '/api/anthropic/v1' },
    priceProviders: ['zai'],
  },
  minimax: {
    ...OPENAI_LIKE,
    baseUrl: 'https://api.minimax.io/v1',
    keyEnv: 'MINIMAX_API_KEY',
    apis: ['chat', 'messages'],
    elsewhere: { '/messages': '/anthropic/v1' },
    priceProviders: ['minimax'],
  },
  // Qwen, by the OpenAI-compatible mode of Model Studio (DashScope), outside China.
  alibaba: {
    ...OPENAI_LIKE,
    baseUrl: 'https://dashscope-intl.aliyuncs.com/compatible-mode/v1',
    keyEnv: 'DASHSCOPE_API_KEY',
    apis: ['chat', 'embeddings'],
    priceProviders: ['dashscope'],
  },
  mistral: {
    ...OPENAI_LIKE,
    baseUrl: 'https://api.mistral.ai/v1',
    keyEnv: 'MISTRAL_API_KEY',
    // `completions` stands for /fim/completions, its fill-in-the-middle API.
    apis: ['chat', 'completions', 'embeddings'],
    priceProviders: ['mistral', 'codestral', 'text-completion-codestral'],
  },
  // Version 2 of its own API, and its compatible one.
  cohere: {
    ...OPENAI_LIKE,
    baseUrl: 'https://api.cohere.com/v1',
    keyEnv: 'COHERE_API_KEY',
    apis: ['chat', 'embeddings', 'cohere'],
    elsewhere: {
      '/v2': '',
      '/chat/completions': '/compatibility/v1',
      '/embeddings': '/compatibility/v1',
    },
    // A list of another form than OpenAI's.
    listed: false,
    priceProviders: ['cohere', 'cohere_chat'],
  },
  xai: {
    ...OPENAI_LIKE,
    baseUrl: 'https://api.x.ai/v1',
    keyEnv: 'XAI_API_KEY',
    apis: ['chat', 'completions', 'responses'],
    priceProviders: ['xai'],
  },
  openrouter: {
    ...OPENAI_LIKE,
    baseUrl: 'https://openrouter.ai/api/v1',
    keyEnv: 'OPENROUTER_API_KEY',
    priceProviders: ['openrouter'],
  },
  together: {
    ...OPENAI_LIKE,
    baseUrl: 'https://api.together.ai/v1',
    keyEnv: 'TOGETHER_API_KEY',
    apis: ['chat', 'completions', 'embeddings'],
    priceProviders: ['together_ai'],
  },
  fireworks: {
    ...OPENAI_LIKE,
    baseUrl: 'https://api.fireworks.ai/inference/v1',
    keyEnv: 'FIREWORKS_API_KEY',
    priceProviders: ['fireworks_ai'],
  },
  // Its compatible APIs, and its own.
  ollama: {
    ...LOCAL,
    baseUrl: 'http://127.0.0.1:11434/v1',
    keyEnv: 'OLLAMA_API_KEY',
    defaultPath: '/v1',
    elsewhere: OLLAMA_PATHS,
    priceProviders: ['ollama', 'ollama_chat'],
  },
  // Its own API alone. Also for https://ollama.com, which wants a key.
  'ollama-native': {
    ...LOCAL,
    baseUrl: 'http://127.0.0.1:11434/v1',
    keyEnv: 'OLLAMA_API_KEY',
    defaultPath: '/v1',
    apis: ['ollama'],
    elsewhere: OLLAMA_PATHS,
    priceProviders: ['ollama', 'ollama_chat'],
  },
  vllm: {
    ...LOCAL,
    keyEnv: 'VLLM_API_KEY',
    defaultPath: '/v1',
    // Cohere's API for embeddings and reranking.
    elsewhere: { '/v2': '' },
    priceProviders: ['hosted_vllm', 'vllm'],
  },
  'llama-cpp': {
    ...LOCAL,
    baseUrl: 'http://127.0.0.1:8080/v1',
    keyEnv: 'LLAMA_API_KEY',
    defaultPath: '/v1',
    // Its own API, which editor plugins use, has no version in the path.
    elsewhere: { '/infill': '', '/completion': '' },
    priceProviders: ['llamafile'],
  },
  'lm-studio': {
    ...LOCAL,
    baseUrl: 'http://127.0.0.1:1234/v1',
    keyEnv: 'LM_API_TOKEN',
    defaultPath: '/v1',
    priceProviders: ['lm_studio'],
  },
  // Other gateways. LiteLLM's default port is this relay's as well, so its address must be given.
  litellm: {
    ...GATEWAY,
    keyEnv: 'LITELLM_API_KEY',
    defaultPath: '/v1',
    priceProviders: ['litellm_proxy'],
  },
  // `apiKey` is the provider's key here, if it is not stored at Portkey.
  portkey: {
    ...GATEWAY,
    baseUrl: 'https://api.portkey.ai/v1',
    keyEnv: null,
    headers: { 'x-portkey-api-key': { env: 'PORTKEY_API_KEY' } },
  },
  // Helicone's proxy takes OpenAI's key beside its own; its gateway takes Helicone's key alone.
  helicone: {
    ...OPENAI_LIKE,
    baseUrl: 'https://oai.helicone.ai/v1',
    keyEnv: 'OPENAI_API_KEY',
    apis: ['chat', 'completions', 'responses', 'embeddings'],
    headers: { 'helicone-auth': { env: 'HELICONE_API_KEY', prefix: 'Bearer ' } },
    priceProviders: ['openai'],
  },
  'helicone-gateway': {
    ...OPENAI_LIKE,
    baseUrl: 'https://ai-gateway.helicone.ai/v1',
    keyEnv: 'HELICONE_API_KEY',
  },
} as const satisfies Record<string, Preset>

/** The name of a preset, as it stands in the config. */
export type PresetName = keyof typeof rows

/** All presets by their names. */
export const PRESETS: Readonly<Record<PresetName, Preset>> = rows
/** The names of all presets. */
export const PRESET_NAMES = Object.keys(rows) as [PresetName, ...PresetName[]]
