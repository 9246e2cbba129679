import { parseArgs } from 'node:util'
import { KeyringError } from '../access/keyring.js'
import { type Config, loadConfigWithoutSecrets, loadDestinations } from '../config/config.js'
import { readConfigFile } from '../config/config-file.js'
import type { CommandIo } from './command-io.js'
import { foresee, type OwnerOutlook, type RequestOutlook, type RouteOutlook } from './request-outlook.js'
import type { PlaceOutlook } from './target-outlook.js'
import { wrapLine } from './wrap-line.js'

const OK = 0
const REFUSED = 1
const WRONG_USAGE = 2

/**
 * `thinwire explain request`: tells what a relay with this config would do with a request.
 * @returns the exit code: 0 it would be answered, 1 it would be refused, 2 wrong usage
 * @throws ConfigError
 */
export function explainRequest(args: string[], io: CommandIo): number {
  const given = readArguments(args)
  if (typeof given === 'string') return complain(given, io, WRONG_USAGE)
  const source = { file: given.config, env: io.env, cwd: io.cwd }
  if (loadDestinations(source).upstreams.length === 0)
    return complain('the config has no upstream, so that the built-in demo answers', io, REFUSED)
  const config = loadConfigWithoutSecrets(source)
  if (config.keys.mode === 'keys' && given.key === null && given.team === null)
    return complain('request takes --key K or --team T as well', io, WRONG_USAGE)
  try {
    const outlook = foresee(given, config, readConfigFile(source).parsed.routes !== undefined)
    io.out.write(given.json ? `${JSON.stringify(outlook, null, 2)}\n` : formatText(outlook, config))
    return outlook.refusal === null ? OK : REFUSED
  } catch (error) {
    if (!(error instanceof KeyringError)) throw error
    return complain(error.message, io, REFUSED)
  }
}

function complain(what: string, { err }: CommandIo, code: number): number {
  err.write(`thinwire explain: ${what}${code === WRONG_USAGE ? ' (more: thinwire explain --help)' : ''}\n`)
  return code
}

interface Given {
  readonly model: string
  readonly path: string
  readonly key: string | null
  readonly team: string | null
  readonly config: string | undefined
  readonly json: boolean
}

/** @returns a sentence if they are wrong; it repeats none of them, which may be a key */
function readArguments(args: string[]): Given | string {
  const text = { type: 'string' } as const
  try {
    const { values } = parseArgs({
      args,
      options: { model: text, key: text, team: text, path: text, config: text, json: { type: 'boolean' } },
    })
    const { model, key = null, team = null, path = '/v1/chat/completions', config, json = false } = values
    if (model === undefined || model === '') return 'request takes --model M'
    if (key !== null && team !== null) return 'request takes --key K or --team T, not both'
    return { model, path, key, team, config, json }
  } catch {
    return 'request takes --model M, --key K or --team T, --path P, --config FILE and --json'
  }
}

/** A line with a label, wrapped. */
function line(label: string, text: string): string {
  return wrapLine(`  ${label}`.padEnd(12), text)
}

function formatText(outlook: RequestOutlook, config: Config): string {
  const { method, path, refusal, answeredBy, route } = outlook
  let text = path === null ? '' : line('request', `${method} ${path}, ${describeApi(outlook)}`)
  text += line('model', outlook.model ?? 'none is looked at on this path')
  if (path !== null) text += describeOwner(outlook)
  if (refusal !== null)
    return (
      text +
      line('refused', `${refusal.status} ${refusal.code}`) +
      line('', refusal.message) +
      describeRules(outlook)
    )
  if (answeredBy === 'relay') return text + line('answer', 'by the relay itself')
  if (route !== null) text += describeRoute(route)
  return (
    text +
    line('cache', describeCache(outlook, config)) +
    line('limits', describeLimits(config)) +
    describeRules(outlook)
  )
}

/** What is used of them: `thinwire limits --explain KEY MODEL`. */
function describeRules({ limitRules }: RequestOutlook): string {
  return limitRules
    .map(({ name, place, amounts }, i) =>
      line(i === 0 ? 'rules' : '', `${name} (${place}): ${amounts.join(', ')}`),
    )
    .join('')
}

function describeApi({ api, isCursor }: RequestOutlook): string {
  const name = api === null ? 'a path of no API that has rules here' : `API ${api}`
  return isCursor ? `${name}, by the route for Cursor` : name
}

function describeOwner({ keysMode, owner, team, refusal }: RequestOutlook): string {
  if (keysMode === 'passthrough')
    return line('key', "the client's own, for the upstream (keys.mode passthrough)")
  if (keysMode === 'off') return line('key', 'none is looked at (keys.mode off)')
  if (owner !== null) return line('key', `${owner.id}, valid`) + line('owner', describeKey(owner))
  return team === null && refusal !== null ? line('key', 'not valid') : line('team', String(team))
}

function describeKey({ env, team, user, expiresAt, models, addresses }: OwnerOutlook): string {
  const facts = [`${user} of ${team} in ${env}`]
  if (expiresAt !== null) facts.push(`until ${expiresAt}`)
  if (models !== null) facts.push(`models ${models.join(', ') || 'none'}`)
  if (addresses !== null) facts.push(`from ${addresses.join(', ') || 'nowhere'}`)
  return facts.join('; ')
}

const FIRST: Readonly<Record<string, string>> = {
  order: 'in this order',
  weight: 'in an order by chance, by weight',
  latency: 'the recently fastest one first',
}

function describeRoute({ entry, strategy, failover, hedge, firstTokenMs, targets }: RouteOutlook): string {
  let text = line('route', entry ?? 'a built-in one, as the config has no routes')
  if (targets.length > 1) {
    const next = failover
      ? 'the next one is asked when one fails'
      : 'no other is asked once one may have acted'
    text += line('targets', `${FIRST[strategy]}; ${next}`)
  }
  if (hedge && targets.length > 1) text += line('', 'a slow one is hedged: the next one is asked beside it')
  if (firstTokenMs !== null) text += line('', `a stream without a token for ${firstTokenMs} ms has failed`)
  return text + targets.map((place, i) => describePlace(place, i + 1)).join('')
}

function describePlace(place: PlaceOutlook, number: number): string {
  const { upstream, url, model, api, translated, keys, maxConcurrentRequests } = place
  const facts = [`${model ?? 'no model'} at ${upstream}`]
  if (translated) facts.push(`translated to the API ${api}`)
  if (keys !== null) facts.push(`keys ${keys.join(', ')}`)
  if (maxConcurrentRequests !== null) facts.push(`${maxConcurrentRequests} requests at one time`)
  return line(`${number}.`, facts.join('; ')) + line('', url)
}

function describeCache({ cacheRules }: RequestOutlook, { cache }: Config): string {
  if (cacheRules === null) return 'off'
  const rules = cacheRules.flatMap((i) => {
    const rule = cache.rules[i]
    if (rule === undefined) return []
    const { maxTokens, maxTemperature, promptBytes, tools } = rule
    const limits = [`a body of at most ${promptBytes} bytes`]
    if (maxTokens !== undefined) limits.push(`max_tokens at most ${maxTokens}`)
    if (maxTemperature !== undefined) limits.push(`a temperature of at most ${maxTemperature}`)
    if (!tools) limits.push('no tools')
    return `cache.rules[${i}]: with ${limits.join(', ')}`
  })
  return rules.length === 0
    ? 'no rule of it takes such a request'
    : `may hold it by ${rules.join('; or by ')}`
}

function describeLimits({ limits, keys }: Config): string {
  const { maxConcurrentRequestsPerKey: ofKey, maxConcurrentRequests: ofAll, bodyBytes } = limits
  const each = keys.mode === 'keys' ? `${ofKey} requests at one time with a key, ` : ''
  return `${each}${ofAll} with all; a body of at most ${bodyBytes} bytes`
}
