import { parseArgs } from 'node:util'
import { listVariants } from '../api/model-variants.js'
import type { DestinationsConfig } from '../config/config.js'
import type { AliasConfig, DestinationConfig, TargetConfig } from '../config/routes.js'
import { compileGlobs, isAllowed } from '../routing/glob.js'
import { printHelp } from './help.js'
import { describeTarget } from './models-text.js'
import { wrapLine } from './wrap-line.js'

/** What the command reads and writes. */
export interface ModelsIo {
  readonly out: NodeJS.WritableStream
  readonly err: NodeJS.WritableStream
  /** Loads the config file that was named, or the default one. @throws ConfigError */
  readonly load: (configPath: string | undefined) => DestinationsConfig
}

const OK = 0
const CANNOT = 1
const WRONG_USAGE = 2

const HELP = `What is known of a model: where its requests go, and what it wants of them.

  thinwire models explain NAME     by the config in this folder
    --upstream U                   as if the upstream U was asked for NAME
    --config FILE                  by another config

For each target it shows the API that is asked, the fields that are left out,
the efforts and so on, each with its source: a built-in row, an entry of
modelTraits in the config, the preset of the upstream, or the default.
Nothing is sent anywhere, and no key is needed.

  thinwire models explain gpt-5-mini
`

/**
 * `thinwire models explain NAME`: tells what is known of a model.
 * @returns the exit code: 0 done, 1 nothing takes the model, 2 wrong usage
 */
export function runModels(args: string[], io: ModelsIo): number {
  const [command = '', ...rest] = args
  const helped = printHelp(command, HELP, io)
  if (helped !== null) return helped
  const given = command === 'explain' ? readArguments(rest) : 'there is only: thinwire models explain NAME'
  if (typeof given === 'string') {
    io.err.write(`thinwire models: ${given} (more: thinwire models --help)\n`)
    return WRONG_USAGE
  }
  if (given.help) {
    io.out.write(HELP)
    return OK
  }
  const config = io.load(given.config)
  if (given.upstream === undefined) return explain(given.name, config, io)
  if (!config.upstreams.some(({ name }) => name === given.upstream)) {
    const names = config.upstreams.map(({ name }) => name).join(', ')
    io.err.write(`thinwire models: no such upstream; the config has ${names || 'none'}\n`)
    return WRONG_USAGE
  }
  io.out.write(describeTarget({ upstream: given.upstream, model: given.name }, null, config))
  return OK
}

interface Given {
  readonly name: string
  readonly upstream: string | undefined
  readonly config: string | undefined
  readonly help: boolean
}

/** @returns a sentence if the arguments are wrong */
function readArguments(args: string[]): Given | string {
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: {
        upstream: { type: 'string' },
        config: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    })
    const help = values.help === true
    if (positionals.length !== 1 && !help) return 'explain takes the name of one model'
    return { name: positionals[0] ?? '', upstream: values.upstream, config: values.config, help }
  } catch {
    return 'explain takes --upstream U, --config FILE and --help'
  }
}

/** One place of the config that takes a model. */
interface Way {
  /** `models.team-fast`, `routes[0]`. */
  readonly title: string
  readonly destination: DestinationConfig
}

function explain(name: string, config: DestinationsConfig, io: ModelsIo): number {
  const alias = findAlias(name, config.aliases)
  const ways = alias === null ? findRoutes(name, config) : [describeAlias(name, alias)]
  // A key of another team gets past an alias that is for some teams.
  if (alias !== null && alias.found.teams !== null) ways.push(...findRoutes(name, config))
  if (ways.length === 0) {
    io.out.write(wrapLine('', `${name} goes nowhere: it is no name in models, and no route takes it.`))
    return CANNOT
  }
  for (const [i, { title, destination }] of ways.entries()) {
    if (i > 0) io.out.write('\n')
    const { targets, translate } = destination
    io.out.write(wrapLine('', title))
    if (targets.length > 1) io.out.write(wrapLine('', describeOrder(destination)))
    io.out.write(
      wrapLine(
        '',
        translate ? 'It is translated on /v1 and on /cursor.' : 'It is translated on /cursor alone.',
      ),
    )
    const model = alias !== null && i === 0 ? alias.found.name : name
    for (const [at, target] of targets.entries()) {
      io.out.write('\n')
      io.out.write(describeTarget(withModel(target, model), targets.length > 1 ? at + 1 : null, config))
    }
  }
  return OK
}

function withModel({ upstream, model }: TargetConfig, own: string): { upstream: string; model: string } {
  return { upstream, model: model ?? own }
}

function describeOrder({ targets, strategy, failover }: DestinationConfig): string {
  const first = {
    order: 'the first in the list',
    weight: 'a random one, by weight',
    latency: 'the one that was fastest recently',
  }
  const next = failover === false ? 'no other is tried when it fails' : 'the next one is tried when it fails'
  return `It has ${targets.length} targets. Tried first: ${first[strategy]}; ${next}.`
}

interface FoundAlias {
  readonly found: AliasConfig
  readonly effort: string | null
}

/** A name in full wins over the one that it may be a variant of. */
function findAlias(name: string, aliases: readonly AliasConfig[]): FoundAlias | null {
  for (const { base, effort } of [{ base: name, effort: null }, ...listVariants(name)]) {
    const found = aliases.find((alias) => alias.name === base)
    if (found !== undefined) return { found, effort }
  }
  return null
}

function describeAlias(name: string, { found, effort }: FoundAlias): Way {
  const variant = name === found.name ? '' : `, a variant of ${found.name}`
  const told = effort === null ? '' : ` with the effort ${effort}`
  const teams = found.teams === null ? '' : `, for keys of ${found.teams.join(', ')}`
  return {
    title: `${name} is a model of the config${variant}${told} (models)${teams}.`,
    destination: found,
  }
}

/** The routes that may take a model, up to the first one that takes every request for it. */
function findRoutes(name: string, { routes }: DestinationsConfig): Way[] {
  const ways: Way[] = []
  for (const [i, route] of routes.entries()) {
    if (!isAllowed(compileGlobs(route.models), name)) continue
    const paths = route.paths === null ? [] : [`paths ${route.paths.join(', ')}`]
    const teams = route.teams === null ? [] : [`keys of ${route.teams.join(', ')}`]
    const when = [...paths, ...teams].join(' and ')
    ways.push({
      title: `${name} goes by routes[${i}]${when === '' ? '' : `, for ${when}`}.`,
      destination: route,
    })
    if (when === '') break
  }
  return ways
}
