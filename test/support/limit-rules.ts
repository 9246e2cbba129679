import { type LimitRule, resolveLimitRules } from '../../src/config/limit-rules.js'
import type { Problem } from '../../src/config/problems.js'
import { limitRule } from '../../src/config/schema-rules.js'

/** A limit rule, from an entry as it stands in the config. */
export function makeRule(entry: object): LimitRule {
  const problems: Problem[] = []
  const [rule] = resolveLimitRules(
    [limitRule.parse({ name: 'rule', ...entry })],
    'limits.rules',
    null,
    problems,
  )
  if (rule === undefined || problems.length > 0) throw new Error(JSON.stringify(problems))
  return rule
}
