import type { BodyApi, ConversationApi } from '../api/apis.js'
import { findTraits } from '../api/model-table.js'
import type { ModelTraits } from '../api/model-traits.js'
import type { Config } from '../config/config.js'
import type { Target } from '../routing/route.js'
import { chooseApi } from '../translate/choose-api.js'
import type { LearnedTraits } from '../translate/corrections/learned-traits.js'
import type { Upstream } from '../upstream/upstream.js'

/** Names that a client may make up are many: then the table is emptied. */
const REMEMBERED_MAX = 2_000

/** What one target wants of a request. */
export interface TargetWants {
  /** Null if it has no API for conversations. */
  readonly api: ConversationApi | null
  readonly traits: ModelTraits
}

/** Finds what the models at the targets want: by the config, by the built-in table, and by what was learned. */
export class TargetTraits {
  private readonly rules: Config['modelRules']
  private readonly learned: LearnedTraits
  private readonly known: Map<string, ModelTraits>

  constructor(rules: Config['modelRules'], learned: LearnedTraits) {
    this.rules = rules
    this.learned = learned
    this.known = new Map()
  }

  /**
   * @param body the API that the client's body is written for
   * @param model the client's; a target may have its own
   */
  find(target: Target<Upstream>, body: BodyApi, model: string | null): TargetWants {
    const known = this.findUncorrected(target, model)
    const name = target.model ?? model
    const traits = name === null ? known : this.learned.apply(known, target.place, name)
    return { api: chooseApi(body, target.upstream.apis, traits), traits }
  }

  /** The traits by the config and the built-in table alone. */
  findUncorrected({ upstream, model: own }: Target<Upstream>, asked: string | null): ModelTraits {
    const model = own ?? asked
    const key = `${upstream.name}\n${model ?? ''}`
    const known = this.known.get(key)
    if (known !== undefined) return known
    const { name, preset } = upstream
    const { traits } = findTraits({ model, upstream: name, preset, rules: this.rules })
    if (this.known.size >= REMEMBERED_MAX) this.known.clear()
    this.known.set(key, traits)
    return traits
  }
}
