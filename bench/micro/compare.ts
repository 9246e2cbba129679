import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { median, ratioOfMedians } from '../statistics.js'
import { align, digits, show } from '../table.js'
import { LONG, type Pair } from './pairs.js'

/** Least time of one sample in microseconds: process.cpuUsage() counts whole microseconds. */
const SAMPLE_US = 3_000

const WARM_UP = 10

/**
 * Compares the parts of a request's way in two builds, sample by sample in turns, by CPU time: a busy machine
 * disturbs it less than wall-clock time. `node dist/bench/micro/compare.js CHECKOUT [FIGURE] [ROUNDS]`, the other
 * checkout built; `usual` in its place compares with the usual way to do the same.
 */
async function compare(checkout: string, figure: string, rounds: number): Promise<string[]> {
  const rows = [['figure', checkout === 'usual' ? 'usual' : 'before', 'now', 'ratio', '95 % interval', '']]
  const before = checkout === 'usual' ? null : await loadPairs(resolve(checkout, 'dist'))
  const now = await loadPairs(resolve(import.meta.dirname, '../..'))
  for (const pair of now) {
    if (!pair.figure.includes(figure)) continue
    const other = before === null ? pair.usual.run : before.find((one) => one.figure === pair.figure)?.ours
    if (other === undefined) continue
    const samples = takeTurns(other, pair.ours, rounds)
    const { ratio, low, high } = ratioOfMedians(samples.now, samples.before)
    rows.push([
      pair.figure,
      show(median(samples.before), 'us'),
      show(median(samples.now), 'us'),
      `${digits(ratio)}x`,
      `${digits(low)} .. ${digits(high)}`,
      low > 1 || high < 1 ? '*' : '',
    ])
  }
  return align(rows)
}

async function loadPairs(dist: string): Promise<Pair[]> {
  const { makePairs } = await import(pathToFileURL(resolve(dist, 'bench/micro/pairs.js')).href)
  return makePairs(LONG)
}

function takeTurns(
  before: () => unknown,
  now: () => unknown,
  rounds: number,
): { before: number[]; now: number[] } {
  let calls = 1
  while (cpuUs(before, calls) * calls < SAMPLE_US) calls *= 2
  const samples: { before: number[]; now: number[] } = { before: [], now: [] }
  for (let round = -WARM_UP; round < rounds; round++) {
    // The builds take turns in coming first, because a sample leaves garbage and caches to the next one.
    const nowFirst = (round & 1) === 0
    const first = cpuUs(nowFirst ? now : before, calls)
    const second = cpuUs(nowFirst ? before : now, calls)
    if (round < 0) continue
    samples.now.push(nowFirst ? first : second)
    samples.before.push(nowFirst ? second : first)
  }
  return samples
}

/** CPU time of one call in microseconds. */
function cpuUs(run: () => unknown, calls: number): number {
  const start = process.cpuUsage()
  for (let n = 0; n < calls; n++) run()
  const { user, system } = process.cpuUsage(start)
  return (user + system) / calls
}

const [checkout, figure = '', rounds = '60'] = process.argv.slice(2)
if (checkout === undefined) {
  process.stderr.write('usage: node dist/bench/micro/compare.js CHECKOUT|usual [FIGURE] [ROUNDS]\n')
  process.exitCode = 2
} else {
  process.stdout.write(`${(await compare(checkout, figure, Number(rounds))).join('\n')}\n`)
}
