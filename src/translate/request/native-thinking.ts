import { ObjectEdits } from '../../json/object-edits.js'
import { equalsText, findMember, isEmptyValue, readText, sliceText, type Value } from '../../json/outline.js'
import { fitEffort, type NativeContext } from './native-context.js'

/**
 * Tokens that Claude may think, by effort. The least that it takes is 1,024 (API reference, Extended thinking), and the
 * default limit of output has room for all of them.
 */
const BUDGETS: Readonly<Record<string, number>> = {
  minimal: 1024,
  low: 2048,
  medium: 8192,
  high: 16_384,
  xhigh: 24_576,
  max: 32_768,
}

/**
 * Fits what a Messages body says about thinking to the model: a budget or an effort, or nothing for a model that does
 * not think. An effort that the client chose by the model's name goes ahead of the body's.
 * @param isPossible false if the last turn with calls has no thinking: the API refuses a budget then
 */
export function editThinking(context: NativeContext, isPossible: boolean): void {
  const { body, request, edits, target, fields } = context
  const { thinking: way } = target.traits
  if (way === 'none') {
    fields.drop('thinking')
    fields.drop('output_config')
    return
  }
  const thinking = findMember(request, 'thinking')
  const type = readText(body, findMember(thinking, 'type'))
  const effort = target.effort
  const isForced = isForcedChoice(body, findMember(request, 'tool_choice'))
  const canThink = isPossible && !isForced && !fields.isRefused('thinking')
  let isOn = type === 'enabled' || type === 'adaptive'
  // What is written again replaces this.
  fields.cutParts('thinking')
  if (effort === 'none') {
    if (isOn) edits.cut('thinking')
    isOn = false
  } else if (way === 'adaptive') {
    if (type === 'enabled' || (effort !== null && !isOn && canThink)) {
      setThinking(context, thinking, null)
      isOn = true
    }
    editEffort(context)
  } else if (effort !== null && canThink) {
    isOn = setBudget(context, thinking, effort)
  } else if (type === 'enabled' && !isPossible) {
    fields.drop('thinking')
    isOn = false
  }
  if (isOn) cutSampling(context)
}

/** The effort of models that think adaptively, one that the model has. */
function editEffort(context: NativeContext): void {
  const { body, request, edits, target, fields } = context
  const config = findMember(request, 'output_config')
  const inner = findMember(config, 'effort')
  const own = readText(body, inner)
  const wanted = fields.isRefused('output_config.effort') ? null : fitEffort(target, own)
  if (wanted === own || fields.isRefused('output_config')) return
  if (config?.members) {
    const within = new ObjectEdits(config)
    within.cut('effort')
    if (wanted !== null) within.add('effort', JSON.stringify(wanted))
    else fields.report('output_config')
    if (wanted === null && config.members.every(({ key }) => key === 'effort')) edits.cut('output_config')
    else edits.within(within.edits())
  } else if (wanted !== null) {
    edits.cut('output_config')
    edits.add('output_config', `{"effort":${JSON.stringify(wanted)}}`)
  }
}

/** @returns whether there is room for thinking */
function setBudget(context: NativeContext, thinking: Value | null, effort: string): boolean {
  const { body, request } = context
  const wanted = BUDGETS[fitEffort(context.target, effort) ?? effort] ?? BUDGETS.medium
  const limit = findMember(request, 'max_tokens')
  // Without the client's limit, there is one that is made for the budget it asks for: see `DEFAULT_MAX_TOKENS`.
  const most = (isEmptyValue(body, limit) ? 16_384 : Number(sliceText(body, limit as Value))) - 1024
  const budget = Math.min(wanted as number, most)
  if (!(budget >= 1024)) return false
  setThinking(context, thinking, Math.floor(budget))
  return true
}

/** @param budget null: the model thinks adaptively */
function setThinking({ edits, fields }: NativeContext, thinking: Value | null, budget: number | null): void {
  const tokens =
    budget === null || fields.isRefused('thinking.budget_tokens') ? '' : `,"budget_tokens":${budget}`
  const text = `{"type":"${budget === null ? 'adaptive' : 'enabled'}"${tokens}}`
  if (thinking === null) edits.add('thinking', text)
  else edits.replace(thinking, text)
}

/** "Thinking may not be enabled when tool_choice forces tool use." */
function isForcedChoice(body: Buffer, choice: Value | null): boolean {
  if (choice === null) return false
  const text = sliceText(body, choice)
  return /"(?:any|tool|required|function)"/.test(text.slice(0, 1024))
}

/** "`temperature` may only be set to 1 when thinking is enabled", and `top_k` not at all. */
function cutSampling({ body, request, fields }: NativeContext): void {
  const temperature = findMember(request, 'temperature')
  if (
    temperature !== null &&
    Number(sliceText(body, temperature)) !== 1 &&
    !equalsText(body, temperature, '')
  )
    fields.drop('temperature')
  fields.drop('top_k')
}
