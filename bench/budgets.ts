import { readFileSync } from 'node:fs'
import { z } from 'zod'
import type { Series, Verdict } from './results.js'
import { largest, median, smallest } from './statistics.js'

const budgetSchema = z
  .strictObject({
    name: z.string(),
    what: z.string(),
    scenario: z.string(),
    figure: z.string(),
    /** Null for an absolute limit, in the figure's unit. */
    baseline: z.strictObject({ contestant: z.string(), figure: z.string().optional() }).nullable(),
    atMost: z.number().positive().optional(),
    atLeast: z.number().positive().optional(),
    /** The value that the design wants. If the limit is weaker, the note gives the reason. */
    goal: z.number().positive(),
    note: z.string().optional(),
  })
  .refine((budget) => (budget.atMost === undefined) !== (budget.atLeast === undefined), {
    message: 'has either atMost or atLeast',
  })
  .refine(
    (budget) =>
      (budget.atMost ?? budget.atLeast) === budget.goal ||
      budget.note !== undefined ||
      budget.baseline === null,
    {
      message: 'has a limit that is not the goal, so it needs a note with the reason',
    },
  )

export type Budget = z.infer<typeof budgetSchema>

/** @throws if the file is not valid: a budget that is ignored would always hold */
export function readBudgets(file: string | URL): Budget[] {
  return z.array(budgetSchema).parse(JSON.parse(readFileSync(file, 'utf8')))
}

/**
 * Compares the figures of a run with the budgets: the median of the rounds over the baseline's median.
 * @param missing contestants that could not be started: budgets that have one as their baseline are skipped
 */
export function judge(
  budgets: readonly Budget[],
  series: readonly Series[],
  missing: Readonly<Record<string, string>>,
): Verdict[] {
  return budgets.map((budget) => judgeOne(budget, series, missing))
}

function judgeOne(
  budget: Budget,
  series: readonly Series[],
  missing: Readonly<Record<string, string>>,
): Verdict {
  const find = (contestant: string, figure: string): Series | undefined =>
    series.find(
      (one) => one.scenario === budget.scenario && one.figure === figure && one.contestant === contestant,
    )
  const ours = find('thinwire', budget.figure)
  const value = median(ours?.values ?? [])
  const against = budget.baseline
  let baseline: Verdict['baseline'] = null
  let ratios = ours?.values ?? []
  if (against !== null) {
    const figure = against.figure ?? budget.figure
    const theirs = find(against.contestant, figure)
    baseline = { name: against.contestant, figure, value: median(theirs?.values ?? []) }
    ratios = ratios.map((one, round) => one / (theirs?.values[round] ?? Number.NaN))
  }
  const ratio = baseline === null ? value : value / baseline.value
  const bound = budget.atMost === undefined ? 'atLeast' : 'atMost'
  const limit = budget.atMost ?? budget.atLeast ?? Number.NaN
  // A missing figure is NaN, which fails every comparison. A baseline that adds nothing or less gives no ratio: it
  // shows that the run was disturbed.
  const within = bound === 'atMost' ? ratio <= limit && ratio >= 0 : ratio >= limit
  return {
    name: budget.name,
    what: budget.what,
    scenario: budget.scenario,
    figure: budget.figure,
    unit: ours?.unit ?? '',
    value,
    baseline,
    ratio,
    spread: [smallest(ratios), largest(ratios)],
    bound,
    limit,
    goal: budget.goal,
    outcome: against !== null && against.contestant in missing ? 'skipped' : within ? 'held' : 'broken',
    note: budget.note ?? null,
  }
}
