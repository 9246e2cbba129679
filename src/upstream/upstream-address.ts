import { isAtOrBelow } from '../api/api-of-path.js'
import type { UpstreamConfig } from '../config/upstreams.js'
import { addParameters, buildDeploymentPath, formatQuery, nameDeployment } from './url.js'

/** Query parameters that are added to each request. */
interface AddedQuery {
  readonly names: ReadonlySet<string>
  /** Without its `?`; empty if there are none. */
  readonly text: string
}

/** Where the requests of one upstream go: its base paths, and the query parameters that it needs. */
export class UpstreamAddress {
  private readonly config: Pick<UpstreamConfig, 'basePath' | 'paths' | 'otherBasePaths'>
  /** Building a path means putting it behind the base path, and nothing else. */
  private readonly plain: boolean
  private readonly query: AddedQuery
  /** The same, with the credential if the upstream takes it as a parameter. */
  private readonly queryWithKey: AddedQuery

  constructor(config: UpstreamConfig) {
    const key = config.auth === 'query' ? config.apiKey : null
    this.config = config
    this.query = createQuery(config.query)
    this.queryWithKey = key === null ? this.query : createQuery([...config.query, config.keyParameter, key])
    this.plain =
      config.paths === 'plain' && config.otherBasePaths.length === 0 && this.queryWithKey.names.size === 0
  }

  /**
   * Builds the path and query of a request. It may contain the credential: do not log it.
   * @param path behind the version
   * @param query with its `?`, or empty
   * @param model the model's name at the upstream; null if the request names none
   * @param passthrough the client's own credential is sent, so ours is not added
   */
  build(path: string, query: string, model: string | null, passthrough: boolean): string {
    if (this.plain) return this.config.basePath + path + query
    const { names, text } = passthrough ? this.query : this.queryWithKey
    const named = this.config.paths === 'deployments' ? nameDeployment(path, query) : query
    return this.buildPath(path, model) + (text === '' ? named : addParameters(named, names, text))
  }

  /**
   * The path behind the version that leads to a path of the upstream; null if none does.
   * @param target without its query
   */
  findPath(target: string): string | null {
    const { basePath, otherBasePaths } = this.config
    for (const base of [...otherBasePaths.map(([, other]) => other), basePath]) {
      if (!isAtOrBelow(target, base)) continue
      const path = target.slice(base.length) || '/'
      if (this.buildPath(path, null) === target || (path === '/' && target === base)) return path
    }
    return null
  }

  private buildPath(path: string, model: string | null): string {
    const { basePath, paths, otherBasePaths } = this.config
    for (const [prefix, base] of otherBasePaths) if (isAtOrBelow(path, prefix)) return base + path
    return basePath + (paths === 'deployments' ? buildDeploymentPath(path, model) : path)
  }
}

/** @param parameters name, value, name, value */
function createQuery(parameters: readonly string[]): AddedQuery {
  return { names: new Set(parameters.filter((_, i) => i % 2 === 0)), text: formatQuery(parameters) }
}
