import type { Lock, LockedPackage } from './lock.js'
import { isInNodeRange } from './node-range.js'

/** The oldest Node that the relay runs on, as `package.json` has it. */
export const OLDEST_NODE = '20.18.1'

/** Licences of packages that are part of a release: they ask for their text to be passed on, and for nothing else. */
const LICENCES: ReadonlySet<string> = new Set([
  'MIT',
  'ISC',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'Apache-2.0',
  '0BSD',
  'BlueOak-1.0.0',
])

/** Further ones, of packages that only the build, tests and benches use. */
const DEV_LICENCES: ReadonlySet<string> = new Set([
  ...LICENCES,
  'Unlicense',
  'Zlib',
  'CC0-1.0',
  'Python-2.0',
  'CC-BY-4.0',
  'MPL-2.0',
])

/**
 * Checks what a relay and its build load from others: no package runs a program when it is installed, each has a hash,
 * a known licence and no address, and those of production run on the oldest Node. There is one `undici`, in the
 * version that `package.json` names: the relay uses parts of it that change between versions.
 * @param undici the version in `package.json`
 * @returns a sentence for each problem; none if all is well
 */
export function checkLock(lock: Lock, undici: string): string[] {
  const problems = lock.packages.flatMap((each) =>
    checkPackage(each).map((problem) => `${each.path}: ${problem}`),
  )
  const all = lock.packages.filter(({ name }) => name === 'undici')
  if (all.length !== 1) problems.push(`undici: there are ${all.length}, and there must be one`)
  for (const { path, version } of all)
    if (version !== undici) problems.push(`${path}: is ${version}, and package.json names ${undici}`)
  return problems
}

function checkPackage(each: LockedPackage): string[] {
  const { isDev, licence, nodeRange } = each
  const problems: string[] = []
  if (each.version === '') problems.push('has no version')
  if (each.hasInstallScript) problems.push('runs a program when it is installed: do without it')
  if (each.hasAddress)
    problems.push('has an address (resolved): install with omit-lockfile-registry-resolved, as .npmrc has it')
  if (!/(?:^| )sha512-[A-Za-z0-9+/]{86}==(?: |$)/.test(each.integrity))
    problems.push('has no SHA-512 (integrity)')
  if (!isAllowed(licence, isDev ? DEV_LICENCES : LICENCES))
    problems.push(
      `has the licence ${JSON.stringify(licence)}, which is not in the list of scripts/release/lock-rules.ts`,
    )
  if (!isDev && nodeRange !== null && isInNodeRange(OLDEST_NODE, nodeRange) !== true)
    problems.push(`wants Node ${nodeRange}, and the relay has to run on ${OLDEST_NODE}`)
  return problems
}

/** @param expression an SPDX expression: one licence, or several with `OR` or `AND` */
function isAllowed(expression: string, allowed: ReadonlySet<string>): boolean {
  const text = expression.replace(/^\((.*)\)$/, '$1')
  const choices = text.split(' OR ')
  if (choices.length > 1) return choices.some((choice) => isAllowed(choice, allowed))
  return text.split(' AND ').every((each) => allowed.has(each))
}
