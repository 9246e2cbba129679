/** The API whose format errors and headers have: Anthropic's under /v1/messages, else OpenAI's. */
export type DemoApi = 'openai' | 'anthropic'

/** `error.type` in both formats (OpenAI: API reference, Errors. Anthropic: API reference, Errors). */
const TYPES: Readonly<Record<number, Readonly<Record<DemoApi, string>>>> = {
  404: { openai: 'invalid_request_error', anthropic: 'not_found_error' },
  413: { openai: 'invalid_request_error', anthropic: 'request_too_large' },
  429: { openai: 'requests', anthropic: 'rate_limit_error' },
  500: { openai: 'server_error', anthropic: 'api_error' },
}

const INVALID: Readonly<Record<DemoApi, string>> = {
  openai: 'invalid_request_error',
  anthropic: 'invalid_request_error',
}

const MISSING = 'missing_required_parameter'

/** A request that the demo refuses. The client gets the message unchanged. */
export class Problem extends Error {
  readonly status: number
  /** The request field with the error, if there is one. */
  readonly param: string | null
  readonly code: string | null
  readonly headers: Readonly<Record<string, string>>

  constructor(
    status: number,
    message: string,
    param: string | null = null,
    code: string | null = null,
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(message)
    this.name = 'Problem'
    this.status = status
    this.param = param
    this.code = code
    this.headers = headers
  }

  /** The JSON body of the error in the format of an API. */
  body(api: DemoApi, requestId: string): unknown {
    const type = (TYPES[this.status] ?? INVALID)[api]
    if (api === 'anthropic') {
      const message = this.code === MISSING ? `${this.param}: Field required` : this.message
      return { type: 'error', error: { type, message }, request_id: requestId }
    }
    return { error: { message: this.message, type, param: this.param, code: this.code } }
  }
}

/** A missing parameter, in the words of OpenAI's API: proxies and clients look for them. */
export function createMissing(param: string): Problem {
  return new Problem(400, `Missing required parameter: '${param}'.`, param, MISSING)
}

/** A parameter with a wrong value. @param expected end of the sentence "expected ..." */
export function createInvalid(param: string, expected: string): Problem {
  return new Problem(400, `Invalid value for '${param}': expected ${expected}.`, param, 'invalid_value')
}

/** The error of the model `thinwire-demo-error`, which tests the error paths of a relay and a client. */
export function createRateLimited(model: string): Problem {
  return new Problem(
    429,
    `Rate limit reached for ${model}: this model of the demo upstream always returns this error.`,
    null,
    'rate_limit_exceeded',
    { 'retry-after-ms': '100', 'retry-after': '1', 'x-should-retry': 'false' },
  )
}
