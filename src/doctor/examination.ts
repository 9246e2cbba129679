import { KEY, KEY_CHECK, WRONG_KEY } from './api.js'
import { CLOCK, CORS, PREFLIGHT, REDIRECT, RELAY } from './arrival.js'
import { examineUrl } from './base-url.js'
import { TLS } from './certificate.js'
import { CONNECT, DNS } from './connection.js'
import { type Finding, skip } from './finding.js'
import { BODY_SIZES, HEADER_SIZE } from './size.js'
import { createStreamChecks, FRAMING, IDLE, PACE } from './streaming.js'
import type { Check, Visit } from './visit.js'

const URL_FORM: Check = {
  name: 'url',
  needs: [],
  tried: () => 'as it is typed',
  run: ({ base }) => examineUrl(base),
}

/** Checks of a row run at the same time; each row builds upon what those ahead have found. */
function rowsFor(visit: Visit): ReadonlyArray<readonly Check[]> {
  return [
    [URL_FORM],
    [DNS],
    [CONNECT],
    [TLS],
    [RELAY],
    [REDIRECT],
    [PREFLIGHT, KEY, WRONG_KEY],
    [KEY_CHECK, ...createStreamChecks(visit)],
    [PACE, FRAMING, CORS],
    [HEADER_SIZE],
    // One after the other: where the first is too large, so is the second, and the way up is not shared.
    ...BODY_SIZES.map((check) => [check]),
    [CLOCK],
    [IDLE],
  ]
}

/** Below it nothing can be asked for any more. */
const LEAST_MS = 50

/** Runs all checks. @param onFinding is told of each, in the order of the report */
export async function examine(visit: Visit, onFinding: (finding: Finding) => void): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const row of rowsFor(visit)) {
    const found = await Promise.all(row.map((check) => runCheck(check, visit)))
    for (const finding of found) onFinding(finding)
    findings.push(...found)
  }
  return findings
}

async function runCheck(check: Check, visit: Visit): Promise<Finding> {
  const why = reasonToSkip(check, visit)
  const seen = why === null ? await check.run(visit) : skip(why)
  return { check: check.name, tried: check.tried(visit), ...seen }
}

function reasonToSkip(check: Check, visit: Visit): string | null {
  for (const need of check.needs) {
    const why = visit.lacking.get(need)
    if (why !== undefined) return why
  }
  const why = check.pointless?.(visit) ?? null
  if (why !== null) return why
  return visit.leftMs < LEAST_MS && check.untimed !== true ? 'the time was up: --timeout 30' : null
}
