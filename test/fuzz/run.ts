import { parseArgs } from 'node:util'
import { randomFrom } from '../support/random.js'
import { formatInput, readCorpus, writeCorpus } from './corpus.js'
import { Coverage } from './coverage.js'
import { mutate, type Random } from './mutate.js'
import { type FuzzTarget, TARGETS } from './targets.js'

/*
 * `npm run fuzz`: gives every reader of foreign bytes inputs that are made from known ones by chance, and keeps those
 * that reach new code, to change them further. It ends with code 1 if an input throws, breaks a rule of its target or
 * takes longer than any input of its size may.
 */

const HELP = `npm run fuzz -- [options]

  --seconds N    time for all targets together. Default: 60
  --only NAME    one target
  --seed N       other inputs. Default: by the clock
  --keep         write the inputs that reach new code to test/fuzz/corpus
`

/** Inputs between two looks at what code has run: each look costs as much as some inputs. */
const BATCH = 40

/** Milliseconds of CPU for one input of at most 16 KiB. Readers are linear, and need less than a tenth of it. */
const SLOW_MS = 2_000

/** Kept inputs are at most so long, in bytes: they are read by people, too. */
const LONGEST_KEPT = 2_048

interface Found {
  readonly input: Buffer
  readonly why: string
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '60' },
      only: { type: 'string' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    process.stdout.write(HELP)
    return 0
  }
  const targets = TARGETS.filter(({ name }) => values.only === undefined || name === values.only)
  if (targets.length === 0) {
    process.stderr.write(`no such target; there are ${TARGETS.map(({ name }) => name).join(', ')}\n`)
    return 2
  }
  const seed = Number(values.seed)
  process.stdout.write(`seed ${seed}\n`)
  const ms = (Number(values.seconds) * 1_000) / targets.length
  let failed = 0
  for (const target of targets)
    if ((await fuzz(target, { ms, random: randomFrom(seed), keep: values.keep })) > 0) failed++
  process.stdout.write(`${targets.length - failed} passed, ${failed} failed\n`)
  return failed === 0 ? 0 : 1
}

interface Options {
  readonly ms: number
  readonly random: Random
  readonly keep: boolean
}

async function fuzz(target: FuzzTarget, { ms, random, keep }: Options): Promise<number> {
  const run = await target.open()
  const coverage = new Coverage()
  const found: Found[] = []
  const attempt = async (input: Buffer): Promise<void> => {
    const before = process.cpuUsage()
    try {
      await run.take(input)
    } catch (error) {
      found.push({ input, why: error instanceof Error ? (error.stack ?? error.message) : String(error) })
      return
    }
    const { user, system } = process.cpuUsage(before)
    if (user + system > SLOW_MS * 1_000)
      found.push({ input, why: `it took ${(user + system) / 1_000} ms of CPU` })
  }
  const inputs = [...readCorpus(target.name), ...target.seeds()]
  for (const input of inputs) await attempt(input)
  coverage.takeNew()
  const until = performance.now() + ms
  let count = inputs.length
  while (performance.now() < until && found.length === 0) {
    const batch = Array.from({ length: BATCH }, () =>
      mutate(inputs[Math.floor(random() * inputs.length)] as Buffer, inputs, target.words, random),
    )
    for (const input of batch) await attempt(input)
    count += batch.length
    if (coverage.takeNew() === 0) continue
    // One of them has reached new code: all are worth more changes, and `keep` sorts them out.
    inputs.push(...batch)
  }
  if (keep && found.length === 0) writeCorpus(target.name, await choose(inputs, target, attempt, coverage))
  coverage.close()
  await run.close()
  report(target.name, count, inputs.length, found)
  return found.length
}

/** The fewest inputs, roughly, that reach the code that all of them reach: short ones first. */
async function choose(
  inputs: readonly Buffer[],
  target: FuzzTarget,
  attempt: (input: Buffer) => Promise<void>,
  coverage: Coverage,
): Promise<Buffer[]> {
  coverage.forget()
  for (const seed of target.seeds()) await attempt(seed)
  coverage.takeNew()
  const chosen: Buffer[] = []
  const byLength = [...inputs].sort((a, b) => a.length - b.length)
  for (const input of byLength.filter(({ length }) => length <= LONGEST_KEPT)) {
    await attempt(input)
    if (coverage.takeNew() > 0) chosen.push(input)
  }
  return chosen
}

function report(name: string, count: number, kept: number, found: readonly Found[]): void {
  process.stdout.write(
    `${name.padEnd(18)}${String(count).padStart(9)} inputs, ${kept} of them worth changing\n`,
  )
  for (const { input, why } of found.slice(0, 3))
    process.stdout.write(
      `FAILED: ${why}\nThe input, as a line of test/fuzz/corpus/${name}.jsonl:\n${formatInput(input)}\n`,
    )
}

process.exitCode = await main()
