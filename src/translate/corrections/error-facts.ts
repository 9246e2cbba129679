import { isObject, parseJson } from '../../json/values.js'

/** What an error body says, whatever its form. */
export interface ErrorFacts {
  /** All messages, the outermost first. */
  readonly texts: string[]
  /** Names of the parameters that the error is about. */
  readonly params: string[]
  readonly codes: string[]
  /** Places of members that a schema forbids, or whose value it refuses, without the `body` in front. */
  readonly places: Place[]
}

/** A place in the request by its path, such as `tools`, `0`, `type`. */
export interface Place {
  readonly path: readonly string[]
  /** `extra_forbidden`, `literal_error` and others (pydantic). */
  readonly type: string
  readonly input: unknown
}

/** A longer body is no API's error, but a page of a proxy. */
const BODY_MAX = 64 * 1024
/** Gateways put the error of a provider into their own, as an object or as text. */
const DEPTH_MAX = 5
const FACTS_MAX = 64

/**
 * Reads an error body: of OpenAI's and Anthropic's form, Gemini's (perhaps in an array), pydantic's lists (`detail`),
 * and errors in errors, as OpenRouter and LiteLLM send them.
 * @returns null if it is not JSON
 */
export function readErrorFacts(body: Buffer): ErrorFacts | null {
  if (body.length > BODY_MAX) return null
  const json = parseJson(body.toString('utf8'))
  if (json === undefined) return null
  const facts: ErrorFacts = { texts: [], params: [], codes: [], places: [] }
  collect(json, facts, 0)
  return facts
}

/** Members that hold an error, or a part of one. */
const NESTED = ['error', 'message', 'msg', 'detail', 'details', 'errors', 'metadata', 'raw', 'description']

function collect(value: unknown, facts: ErrorFacts, depth: number): void {
  if (depth > DEPTH_MAX || facts.texts.length >= FACTS_MAX) return
  if (typeof value === 'string') {
    collectText(value, facts, depth)
  } else if (Array.isArray(value)) {
    for (const each of value.slice(0, FACTS_MAX)) collect(each, facts, depth + 1)
  } else if (isObject(value)) {
    const { param, code, type, loc, input } = value
    if (typeof param === 'string') facts.params.push(param)
    if (typeof code === 'string') facts.codes.push(code)
    if (Array.isArray(loc)) {
      const path = loc.slice(0, FACTS_MAX).map(String)
      if (path[0] === 'body') path.shift()
      facts.places.push({ path, type: typeof type === 'string' ? type : '', input })
    }
    for (const name of NESTED) if (value[name] !== undefined) collect(value[name], facts, depth + 1)
  }
}

function collectText(text: string, facts: ErrorFacts, depth: number): void {
  facts.texts.push(text)
  const start = text.search(/[{[]/)
  if (start === -1) return
  const inner = parseJson(text.slice(start))
  if (inner !== undefined) collect(inner, facts, depth + 1)
  else collectPythonPlaces(text, facts)
}

/** `{'type': 'extra_forbidden', 'loc': ('body', 'x'), ...}`: an error list as Python prints it. */
const PYTHON_PLACE = /'type': '([a-z_]{1,40})', 'loc': \(([^()]{1,300})\)/g

function collectPythonPlaces(text: string, facts: ErrorFacts): void {
  for (const [, type = '', loc = ''] of text.matchAll(PYTHON_PLACE)) {
    const path = loc
      .split(',')
      .map((part) => part.trim().replaceAll("'", ''))
      .filter((part) => part !== '')
    if (path[0] === 'body') path.shift()
    facts.places.push({ path, type, input: undefined })
    if (facts.places.length >= FACTS_MAX) return
  }
}
