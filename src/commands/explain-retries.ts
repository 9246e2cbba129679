import { FAILURE_KINDS, type FailureKind } from '../routing/outcome.js'
import { type PolicyRow, RETRY_POLICY } from '../routing/retry-policy.js'
import type { CommandIo } from './command-io.js'

const OK = 0
const WRONG_USAGE = 2

const KINDS = Object.keys(FAILURE_KINDS) as FailureKind[]

/**
 * `thinwire explain retries`: prints the retry policy.
 * @returns the exit code
 */
export function printRetries(args: string[], { out, err }: Pick<CommandIo, 'out' | 'err'>): number {
  if (args.some((arg) => arg !== '--json')) {
    err.write('thinwire explain: retries takes --json and nothing else\n')
    return WRONG_USAGE
  }
  out.write(args.includes('--json') ? formatJson() : formatText())
  return OK
}

function formatJson(): string {
  const rows = KINDS.map((kind) => ({ kind, what: FAILURE_KINDS[kind], ...RETRY_POLICY[kind] }))
  return `${JSON.stringify(rows, null, 2)}\n`
}

const INTRODUCTION = `What happens after an attempt has failed, as long as no byte of a response has
gone to the client. The steps are tried from left to right.

  same      the same target once more, with a changed request (three times)
  fresh     the same target once more, on a new connection
  key       another key of the same upstream, for every request
  next      the next target, whatever the method
  next*     the next target where failover is on: by default for chats,
            completions, Responses, Messages, embeddings and reads
  +keys     among the next targets, other keys of the same upstream come last
  accept    the client gets this response
  give up   the client gets an error of the relay

In place of accept and give up the client gets the best response of all targets
that have failed: one that passes by itself with its wait first, then others of
its kind, a used-up quota, the client's own mistake, and a refused key. JSON
comes before other bodies.

`

function formatText(): string {
  const rows = KINDS.map((kind) => {
    const row = RETRY_POLICY[kind]
    const facts = `health: ${row.health}${row.cooldown === 'none' ? '' : `; at rest: ${row.cooldown}`}`
    return `${kind}\n  ${FAILURE_KINDS[kind]}\n  ${formatSteps(row)}\n  ${facts}\n`
  })
  return INTRODUCTION + rows.join('\n')
}

function formatSteps({ again, retry, keys, next, otherwise }: PolicyRow): string {
  const steps: string[] = []
  if (retry === 'always') steps.push(again)
  if (retry === 'repeatable') steps.push(`${again} (with failover, or if the method is idempotent)`)
  if (keys === 'first') steps.push('key')
  if (next !== 'never')
    steps.push(`${next === 'failover' ? 'next*' : 'next'}${keys === 'last' ? ' +keys' : ''}`)
  steps.push(otherwise === 'give_up' ? 'give up' : otherwise)
  return steps.join(' > ')
}
