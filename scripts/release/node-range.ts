type Version = readonly [number, number, number]

/**
 * Whether a version of Node is in a range, as `engines` of a package has it: `>=20.18.1`, `^16 || ^18 || >=20`, `20.x`, `*`.
 * @param version `MAJOR.MINOR.PATCH`
 * @returns null if the range has a form that is not known here, such as `1 - 2`
 */
export function isInNodeRange(version: string, range: string): boolean | null {
  const [wanted] = readBounds(`=${version}`) ?? []
  if (wanted === undefined) return null
  let isIn = false
  for (const part of range.split('||')) {
    let isInPart = true
    for (const comparator of part
      .replace(/([<>=^~])\s+/g, '$1')
      .trim()
      .split(/\s+/)) {
      const bounds = readBounds(comparator)
      if (bounds === null) return null
      const [from, to] = bounds
      if (compare(wanted, from) < 0 || (to !== null && compare(wanted, to) >= 0)) isInPart = false
    }
    isIn ||= isInPart
  }
  return isIn
}

/** @returns the first version of a comparator, and the first one above it, null if there is none */
function readBounds(comparator: string): readonly [Version, Version | null] | null {
  const match = /^(>=|>|<=|<|=|\^|~)?v?(\d+|[x*])?(?:\.(\d+|[x*]))?(?:\.(\d+|[x*]))?$/.exec(comparator)
  if (match === null) return null
  const [, operator = '=', ...texts] = match
  const numbers = texts.filter((text) => text !== undefined && /^\d+$/.test(text)).map(Number)
  if (numbers.length === 0)
    return comparator === '' || operator === '=' || operator === '>=' ? [[0, 0, 0], null] : null
  const [major = 0, minor = 0, patch = 0] = numbers
  const from: Version = [major, minor, patch]
  // The first version above all that the text stands for: `20` stands for 20.0.0 to 20.999.999.
  const next: Version =
    numbers.length === 1
      ? [major + 1, 0, 0]
      : numbers.length === 2
        ? [major, minor + 1, 0]
        : [major, minor, patch + 1]
  switch (operator) {
    case '>=':
      return [from, null]
    case '>':
      return [next, null]
    case '<':
      return [[0, 0, 0], from]
    case '<=':
      return [[0, 0, 0], next]
    case '^':
      return [from, major > 0 ? [major + 1, 0, 0] : next]
    case '~':
      return [from, numbers.length === 1 ? next : [major, minor + 1, 0]]
    default:
      return [from, next]
  }
}

function compare(a: Version, b: Version): number {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2]
}
