import type { Dispatcher } from 'undici'
import type { Config } from '../config/config.js'
import type { Route } from '../routing/route.js'
import type { Router } from '../routing/router.js'
import type { Upstream } from './upstream.js'

export interface ListTimes {
  /** An upstream that has not told its models by then is left out, or its last list is taken. */
  readonly patienceMs: number
  /** A list is asked for again after so long, beside the request that finds it old. */
  readonly freshMs: number
  /** Who did not answer is not asked again before, so that no list has to wait for it. */
  readonly pauseMs: number
}

const TIMES: ListTimes = { patienceMs: 3_000, freshMs: 60_000, pauseMs: 10_000 }

const MOST_BYTES = 1024 * 1024

/** What a request may be for. A model of an upstream is listed if one of these would take its name there. */
const PATHS = ['/chat/completions', '/messages', '/responses', '/completions', '/embeddings']

type Json = Readonly<Record<string, unknown>>

/** Who knows the models of one upstream. */
interface Known {
  /** Null until it has answered once. */
  models: readonly Json[] | null
  /** `performance.now()` of the last answer, or of the last time that there was none. */
  at: number
  failed: boolean
  asking: Promise<void> | null
}

/**
 * `GET /models` and `GET /models/{id}`: names of the config's own, and what the upstreams have, as far as requests with the
 * key would go there.
 */
export class ModelList {
  private readonly router: Router<Upstream>
  private readonly all: boolean
  private readonly passthrough: boolean
  private readonly times: ListTimes
  private readonly known: Map<Upstream, Known>

  constructor(router: Router<Upstream>, config: Config, times: ListTimes = TIMES) {
    this.router = router
    this.all = config.listModels === 'all'
    this.passthrough = config.keys.mode === 'passthrough'
    this.times = times
    this.known = new Map()
  }

  /** Of another config, with what this one knows of the upstreams that have stayed. */
  after(router: Router<Upstream>, config: Config): ModelList {
    const next = new ModelList(router, config, this.times)
    for (const [upstream, known] of this.known)
      if (router.upstreams.includes(upstream)) next.known.set(upstream, known)
    return next
  }

  /**
   * @param path with `/models` at its beginning
   * @param team of the key
   * @returns what to answer, at once or later, which it does in any case; null if it is an upstream's to answer (`routeFor`)
   */
  answer(path: string, team: string | null): unknown | Promise<unknown> | null {
    const aliases = this.router.listAliases(team)
    const name = nameIn(path)
    if (name !== null) return aliases.includes(name) ? describeAlias(name) : null
    if (path !== '/models') return null
    if (aliases.length > 0 && !this.all) return listOf(aliases.map(describeAlias))
    // The client's own credential is good for one of them, and a list may be of what it alone can use.
    if (this.passthrough) return aliases.length === 0 ? null : listOf(aliases.map(describeAlias))
    // As it is, byte for byte.
    const single = this.router.upstreams.length === 1
    if (single && aliases.length === 0 && this.router.findRoute(path, null, team) !== null) return null
    return listModels(this.router, aliases, team, (upstream) => this.modelsOf(upstream))
  }

  /** Where a question about models goes that is not answered here: `/models/{id}` where a request with that model would. */
  routeFor(path: string, team: string | null): Route<Upstream> | null {
    const name = nameIn(path)
    if (name !== null) {
      for (const each of PATHS) {
        const route = this.router.findRoute(each, name, team)
        if (route !== null) return route
      }
    }
    return this.router.findRoute(path, name, team)
  }

  /** What is known of it, without waiting if it is known at all. */
  private async modelsOf(upstream: Upstream): Promise<readonly Json[]> {
    if (!upstream.listed) return []
    const { patienceMs, freshMs, pauseMs } = this.times
    let known = this.known.get(upstream)
    if (known === undefined) {
      known = { models: null, at: Number.NEGATIVE_INFINITY, failed: false, asking: null }
      this.known.set(upstream, known)
    }
    const age = performance.now() - known.at
    if (age > (known.failed ? pauseMs : freshMs)) known.asking ??= refresh(upstream, known, patienceMs)
    if (known.models === null) await known.asking
    return known.models ?? []
  }
}

/**
 * All models that a team may use, in the order of the config: names of its own, then what each upstream has and is sent.
 * @param modelsOf what an upstream has; it answers soon, and does not fail
 */
export async function listModels(
  router: Router<Upstream>,
  aliases: readonly string[],
  team: string | null,
  modelsOf: (upstream: Upstream) => Promise<readonly Json[]>,
): Promise<unknown> {
  const lists = await Promise.all(router.upstreams.map(modelsOf))
  const models = new Map<string, Json>(aliases.map((name) => [name, describeAlias(name)]))
  router.upstreams.forEach((upstream, i) => {
    for (const model of lists[i] ?? []) {
      const id = model.id as string
      if (!models.has(id) && isSent(router, upstream, id, team))
        models.set(id, describeModel(model, upstream.name))
    }
  })
  return listOf([...models.values()])
}

/** Whether some request with that model would go there. */
function isSent(router: Router<Upstream>, upstream: Upstream, model: string, team: string | null): boolean {
  return PATHS.some((path) =>
    router
      .findRoute(path, model, team)
      ?.targets.some((target) => target.upstream === upstream && target.model === null),
  )
}

/** Asks an upstream for its models. It is never rejected. */
async function refresh(upstream: Upstream, known: Known, patienceMs: number): Promise<void> {
  const models = await fetchModels(upstream, patienceMs)
  known.asking = null
  known.at = performance.now()
  known.failed = models === null
  if (models !== null) known.models = models
}

/** @returns null if it has not told them in time, or in no form that is known */
function fetchModels(upstream: Upstream, patienceMs: number): Promise<readonly Json[] | null> {
  return new Promise<string | null>((resolve) => {
    const query = upstream.listQuery
    const headers = [...upstream.headersFor('/models', false), 'accept', 'application/json']
    const fallback = upstream.defaultHeaderFor('/models')
    if (fallback !== null) headers.push(...fallback)
    const path = upstream.addressOf('/models', query, null, false)
    upstream.dispatch({ method: 'GET', path, headers, body: null }, new SmallAnswer(patienceMs, resolve))
  }).then((text) => (text === null ? null : readModels(text)))
}

/** OpenAI's form and Anthropic's, `{"data": [{"id"}]}`, or the list alone. Google has `models/` in front of its names. */
function readModels(text: string): readonly Json[] | null {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    return null
  }
  const list = Array.isArray(parsed) ? parsed : (parsed as { data?: unknown } | null)?.data
  if (!Array.isArray(list)) return null
  const models: Json[] = []
  for (const model of list as unknown[]) {
    const id = (model as { id?: unknown } | null)?.id
    if (typeof id === 'string' && id !== '')
      models.push({ ...(model as Json), id: id.replace(/^models\//, '') })
  }
  return models
}

/** The body of a small answer with status 200, as text; null if it is none, too large, or not there in time. */
class SmallAnswer implements Dispatcher.DispatchHandler {
  private readonly done: (text: string | null) => void
  private readonly pieces: Buffer[]
  private readonly timer: NodeJS.Timeout
  private bytes: number
  private status: number
  private over: boolean
  private abort: (() => void) | null

  constructor(patienceMs: number, done: (text: string | null) => void) {
    this.done = done
    this.pieces = []
    this.bytes = 0
    this.status = 0
    this.over = false
    this.abort = null
    this.timer = setTimeout(() => this.finish(null), patienceMs).unref()
  }

  onConnect(abort: () => void): void {
    this.abort = abort
    if (this.over) abort()
  }

  onHeaders(status: number): boolean {
    this.status = status
    if (status >= 200 && status !== 200) this.finish(null)
    return true
  }

  onData(piece: Buffer): boolean {
    this.bytes += piece.length
    if (this.bytes > MOST_BYTES) this.finish(null)
    else this.pieces.push(piece)
    return true
  }

  onComplete(): void {
    this.finish(this.status === 200 ? Buffer.concat(this.pieces).toString() : null)
  }

  onError(): void {
    this.finish(null)
  }

  /** Whatever is left of the answer is let go. */
  private finish(text: string | null): void {
    if (this.over) return
    this.over = true
    clearTimeout(this.timer)
    if (text === null) this.abort?.()
    this.done(text)
  }
}

/** With what OpenAI's clients and Anthropic's (API references, List Models) read of such a list. */
function listOf(models: readonly Json[]): Json {
  return {
    object: 'list',
    data: models,
    has_more: false,
    first_id: models[0]?.id ?? null,
    last_id: models.at(-1)?.id ?? null,
  }
}

function describeAlias(name: string): Json {
  return describeModel({ id: name, created: 0 }, 'thinwire')
}

/** As the upstream describes it, with what clients of the other API miss. Where the time is not known, it is the epoch. */
function describeModel(model: Json, owner: string): Json {
  const { id, created, created_at } = model
  const told = typeof created_at === 'string' ? Date.parse(created_at) : Number.NaN
  const seconds = typeof created === 'number' ? created : Number.isNaN(told) ? 0 : Math.floor(told / 1000)
  return {
    object: 'model',
    type: 'model',
    display_name: id,
    owned_by: owner,
    created_at: dateOf(seconds),
    ...model,
    created: seconds,
  }
}

/** RFC 3339, as Anthropic has it. An upstream may tell anything. */
function dateOf(seconds: number): string {
  const date = new Date(seconds * 1000)
  return (Number.isNaN(date.getTime()) ? new Date(0) : date).toISOString().replace('.000Z', 'Z')
}

/** The model in `/models/{id}`, which may have slashes of its own; null if there is none. */
function nameIn(path: string): string | null {
  if (!path.startsWith('/models/')) return null
  const segment = path.slice('/models/'.length)
  try {
    return decodeURIComponent(segment)
  } catch {
    // Not well percent-encoded: as it stands.
    return segment
  }
}
