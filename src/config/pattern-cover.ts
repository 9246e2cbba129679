/**
 * Whether a pattern matches all that another one matches. A `*` of the other one stands for any text: only a `*` may
 * take it. Every other character is taken by itself or by a `*`.
 */
export function covers(wide: string, narrow: string): boolean {
  let at = 0
  let of = 0
  // The last `*` of the wide pattern, and what it has taken so far.
  let star = -1
  let taken = 0
  while (of < narrow.length) {
    if (wide[at] === '*') {
      star = at
      taken = of
      at++
    } else if (at < wide.length && narrow[of] !== '*' && wide[at] === narrow[of]) {
      at++
      of++
    } else if (star >= 0) {
      at = star + 1
      taken++
      of = taken
    } else return false
  }
  while (wide[at] === '*') at++
  return at === wide.length
}

/** Whether one of the patterns covers each of the others. @param wide null matches everything */
export function coverAll(wide: readonly string[] | null, narrow: readonly string[] | null): boolean {
  if (wide === null) return true
  return narrow?.every((each) => wide.some((pattern) => covers(pattern, each))) === true
}
