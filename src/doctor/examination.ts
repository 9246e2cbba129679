import { KEY, KEY_CHECK, WRONG_KEY } from './api.js'
import { CLOCK, CORS, PREFLIGHT, REDIRECT, RELAY } from './arrival.js'
import { examineUrl, findUselessUrl } from './base-url.js'
import { TLS } from './certificate.js'
import { CONNECT, DNS } from './connection.js'
import { type Finding, skip } from './finding.js'
import { BODY_SIZES, HEADER_SIZE } from './size.js'
import { createStreamChecks, FRAMING, IDLE, PACE } from './streaming.js'
import type { Check, Visit } from './visit.js'

/** Whether a client could use the URL at all. */
export const URL_FORM: Check = {
  name: 'url',
  needs: [],
  tried: () => 'the form of the URL',
  run(visit) {
    const why = findUselessUrl(visit.base)
    if (why !== null) for (const need of ['address', 'relay', 'path'] as const) visit.missing.set(need, why)
    return examineUrl(visit.base)
  },
}

/** The checks in rows. Checks of a row run at the same time; each row uses the results of earlier rows. */
function listRows(visit: Visit): ReadonlyArray<readonly Check[]> {
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
    // One after the other: if the first is too large, so is the second, and each needs the whole bandwidth.
    ...BODY_SIZES.map((check) => [check]),
    [CLOCK],
    [IDLE],
  ]
}

/** A check is skipped when less time is left. */
const CHECK_MIN_MS = 50

/** Runs all checks. @param onFinding called for each finding, in the order of the report */
export function examine(visit: Visit, onFinding: (finding: Finding) => void): Promise<Finding[]> {
  return runRows(listRows(visit), visit, onFinding)
}

/** Runs checks in rows. @param onFinding called for each finding, in the order of the report */
export async function runRows(
  rows: ReadonlyArray<readonly Check[]>,
  visit: Visit,
  onFinding: (finding: Finding) => void,
): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const row of rows) {
    const found = await Promise.all(row.map((check) => runCheck(check, visit)))
    tellFault(found, visit)
    for (const finding of found) onFinding(finding)
    findings.push(...found)
  }
  return findings
}

/**
 * A fault in front of the relay is reported once, in place of what the checks of the row made of it. The later rows are
 * skipped.
 */
function tellFault(found: Finding[], visit: Visit): void {
  const { fault } = visit
  if (fault === null || visit.missing.has('relay')) return
  visit.missing.set('relay', fault.why)
  const isWrong = ({ outcome }: Finding): boolean => outcome === 'failed' || outcome === 'warning'
  const wrong = found.findIndex(isWrong)
  const first = wrong === -1 ? found.findIndex(({ outcome }) => outcome === 'ok') : wrong
  for (const [i, finding] of found.entries()) {
    if (i === first) found[i] = { ...finding, ...fault.seen }
    else if (isWrong(finding)) found[i] = { ...finding, ...skip(fault.why) }
  }
}

async function runCheck(check: Check, visit: Visit): Promise<Finding> {
  const why = reasonToSkip(check, visit)
  const seen = why === null ? await check.run(visit) : skip(why)
  return { check: check.name, tried: check.tried(visit), ...seen }
}

function reasonToSkip(check: Check, visit: Visit): string | null {
  for (const need of check.needs) {
    const why = visit.missing.get(need)
    if (why !== undefined) return why
  }
  const why = check.skipReason?.(visit) ?? null
  if (why !== null) return why
  return visit.leftMs < CHECK_MIN_MS && check.untimed !== true ? 'no time was left: --timeout 30' : null
}
