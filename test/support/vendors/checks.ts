/** Adds what is wrong with a value to `problems`. */
export type Check = (value: unknown, path: string, problems: string[]) => void

export type Members = Readonly<Record<string, unknown>>

export const isMembers = (value: unknown): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

export const membersOf = (value: unknown): Members => (isMembers(value) ? value : {})

export interface TextRule {
  readonly pattern?: RegExp
  readonly most?: number
  /** Empty strings are taken. */
  readonly empty?: boolean
  /** White space alone is refused. */
  readonly visible?: boolean
}

export function text({ pattern, most, empty = false, visible = false }: TextRule = {}): Check {
  return (value, path, problems) => {
    if (typeof value !== 'string') return void problems.push(`${path} has to be a string`)
    if (!empty && value === '') problems.push(`${path} is empty`)
    if (visible && value.trim() === '') problems.push(`${path} has white space alone`)
    if (most !== undefined && value.length > most) problems.push(`${path} is longer than ${most}`)
    if (pattern !== undefined && !pattern.test(value)) problems.push(`${path} does not match ${pattern}`)
  }
}

export function number(least: number, most: number, whole = false): Check {
  return (value, path, problems) => {
    if (typeof value !== 'number') return void problems.push(`${path} has to be a number`)
    if (value < least || value > most) problems.push(`${path} has to be from ${least} to ${most}`)
    if (whole && !Number.isInteger(value)) problems.push(`${path} has to be an integer`)
  }
}

export const count = (least = 1): Check => number(least, Number.MAX_SAFE_INTEGER, true)

export const truth: Check = (value, path, problems) => {
  if (typeof value !== 'boolean') problems.push(`${path} has to be a boolean`)
}

export const anyObject: Check = (value, path, problems) => {
  if (!isMembers(value)) problems.push(`${path} has to be an object`)
}

export function oneOf(...values: readonly unknown[]): Check {
  return (value, path, problems) => {
    if (!values.includes(value)) problems.push(`${path} has to be one of ${JSON.stringify(values)}`)
  }
}

export function array(element: Check, least = 0, most = Number.POSITIVE_INFINITY): Check {
  return (value, path, problems) => {
    if (!Array.isArray(value)) return void problems.push(`${path} has to be an array`)
    if (value.length < least) problems.push(`${path} has less than ${least} elements`)
    if (value.length > most) problems.push(`${path} has more than ${most} elements`)
    for (const [n, each] of value.entries()) element(each, `${path}[${n}]`, problems)
  }
}

/** A body may have any name: one that all objects have, such as `__proto__`, has no check. */
function findCheck(checks: Readonly<Record<string, Check>>, name: string): Check | undefined {
  return Object.hasOwn(checks, name) ? checks[name] : undefined
}

/** An object with these members and no others. */
export function object(
  required: Readonly<Record<string, Check>>,
  optional: Readonly<Record<string, Check>> = {},
): Check {
  return (value, path, problems) => {
    if (!isMembers(value)) return void problems.push(`${path} has to be an object`)
    for (const name of Object.keys(required))
      if (!Object.hasOwn(value, name) || value[name] === undefined)
        problems.push(`${path}.${name} is missing`)
    for (const [name, each] of Object.entries(value)) {
      const check = findCheck(required, name) ?? findCheck(optional, name)
      if (check === undefined) problems.push(`${path}.${name} is an unknown field`)
      else check(each, `${path}.${name}`, problems)
    }
  }
}

/** An object whose kind shows in one of its members. */
export function tagged(kinds: Readonly<Record<string, Check>>, tag = 'type'): Check {
  return (value, path, problems) => {
    const check = isMembers(value) ? findCheck(kinds, String(value[tag])) : undefined
    if (check === undefined) problems.push(`${path}.${tag} has to be one of ${Object.keys(kinds).join(', ')}`)
    else check(value, path, problems)
  }
}

export const textOr =
  (rule: TextRule, other: Check): Check =>
  (value, path, problems) =>
    (typeof value === 'string' ? text(rule) : other)(value, path, problems)

export const constant = (value: unknown): Check => oneOf(value)

/** The text of a JSON object. */
export const jsonObject: Check = (value, path, problems) => {
  try {
    if (isMembers(JSON.parse(String(value)))) return
  } catch {}
  problems.push(`${path} has to be the text of a JSON object`)
}

export const base64 = text({ pattern: /^[A-Za-z0-9+/]+={0,2}$/ })
export const dataUrl = text({ pattern: /^data:[a-z0-9.+-]+\/[a-z0-9.+-]+;base64,[A-Za-z0-9+/]+={0,2}$/ })
export const url = text({ pattern: /^https?:\/\/\S+$/ })
export const imageUrl = text({
  pattern: /^(?:https?:\/\/\S+|data:image\/[a-z]+;base64,[A-Za-z0-9+/]+={0,2})$/,
})

/** `metadata` of OpenAI's APIs: sixteen pairs of strings. */
export const openAiMetadata: Check = (value, path, problems) => {
  const entries = Object.entries(membersOf(value))
  if (!isMembers(value) || entries.length > 16)
    problems.push(`${path} has to be an object of 16 members at most`)
  for (const [key, each] of entries)
    text({ most: key.length > 64 ? -1 : 512, empty: true })(each, `${path}.${key}`, problems)
}

export const OPENAI_NAME = /^[a-zA-Z0-9_-]{1,64}$/
export const EFFORTS = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max']

/** Two elements with the same value are refused. */
export function requireDistinct(values: readonly unknown[], what: string, problems: string[]): void {
  if (new Set(values).size < values.length) problems.push(`${what} are not distinct`)
}
