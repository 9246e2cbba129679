/** The file before the session, above and below the cursor. */
export const ABOVE = `import { readFileSync } from 'node:fs'

export interface Reading {
  readonly sensor: string
  readonly at: number
  readonly value: number
}

`

export const BELOW = `

const summary = new Summary()
for (const reading of readLog(process.argv[2] ?? 'sensors.log')) summary.add(reading)
console.info(summary.mean('outside'))
`

/**
 * The text that is typed between the two. The typist first leaves out the parts in «», goes back to type them at the
 * next ¶, and returns.
 */
export const TYPED = `/** One reading a line, its fields apart by commas. */
export function readLog(file: string): Reading[] {
  const readings: Reading[] = []
  for (const line of readFileSync(file, 'utf8').split('\\n')) {
    const [sensor, at, value] = line.split(',')«
    if (sensor === undefined || value === undefined) continue»
    readings.push({ sensor, at: Number(at), value: Number(value) })
  }
  return readings¶
}

export class Summary {
  private readonly bySensor = new Map<string, Reading[]>()

  add(reading: Reading): void {
    const known = this.bySensor.get(reading.sensor)
    if (known === undefined) this.bySensor.set(reading.sensor, [reading])
    else known.push(reading)
  }

  mean(sensor: string): number {
    const readings = this.bySensor.get(sensor) ?? []«
    if (readings.length === 0) return Number.NaN»
    const total = readings.reduce((sum, { value }) => sum + value, 0)
    return total / readings.length¶
  }
}`
