import { findNearest } from './problems.js'

/** Time zones that are known to exist: making a format takes longer than all else of a rule. There are some hundred. */
const known = new Set(['UTC'])

/** @returns what is wrong with the name of a time zone, and what may be meant; null for nothing. It is not repeated */
export function findZoneFlaw(name: string): string | null {
  if (known.has(name)) return null
  // Node takes `+02:00` from version 22 on. It would be an hour off for half of the year.
  if (/^(?:UTC|GMT)?[+-]?\d/i.test(name))
    return 'is an offset, which has no summer time; use a name such as "Europe/Berlin"'
  if (isZone(name)) {
    known.add(name)
    return null
  }
  const near = findNearZone(name)
  return near === undefined
    ? 'is not a time zone; use a name such as "Europe/Berlin"'
    : `is not a time zone; did you mean "${near}"?`
}

function isZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en-US', { timeZone: name })
    return true
  } catch {
    return false
  }
}

/** A mistyped name, or only the city. */
function findNearZone(name: string): string | undefined {
  const given = name.trim().replaceAll(/\s+/g, '_')
  if (given !== name && isZone(given)) return given
  const zones = Intl.supportedValuesOf('timeZone')
  const city = given.toLowerCase()
  const ofCity = zones.find((zone) => zone.toLowerCase().endsWith(`/${city}`))
  // Of three letters two may be wrong: too few to guess by.
  return ofCity ?? (given.includes('/') ? findNearest(given, zones) : undefined)
}
