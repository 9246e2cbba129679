/** The numbers of one series in one slot: keys of `layout.ts`, ascending, and the number of each. */
export class Cell {
  readonly keys: number[]
  readonly amounts: number[]

  constructor() {
    this.keys = []
    this.amounts = []
  }

  add(key: number, amount: number): void {
    this.addFrom(0, key, amount)
  }

  /** Adds keys and their numbers in turn. @param pairs the keys ascending */
  addPairs(pairs: readonly number[]): void {
    let at = 0
    for (let i = 0; i < pairs.length; i += 2)
      at = this.addFrom(at, pairs[i] as number, pairs[i + 1] as number) + 1
  }

  /** @param from no key before this place is as large @returns the place of the key */
  private addFrom(from: number, key: number, amount: number): number {
    const { keys, amounts } = this
    let at = from
    while (at < keys.length && (keys[at] as number) < key) at++
    if (keys[at] === key) amounts[at] = (amounts[at] as number) + amount
    else {
      keys.splice(at, 0, key)
      amounts.splice(at, 0, amount)
    }
    return at
  }
}

/** Cells by the numbers of their series. */
export type Cells = Map<number, Cell>

/** The cell of a series, which is made where there is none. */
export function openCell(cells: Cells, series: number): Cell {
  let cell = cells.get(series)
  if (cell === undefined) {
    cell = new Cell()
    cells.set(series, cell)
  }
  return cell
}
