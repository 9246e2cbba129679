import { parseArgs } from 'node:util'
import { randomFrom } from '../support/random.js'
import { formatInput, readCorpus, writeCorpus } from './corpus.js'
import { Coverage } from './coverage.js'
import { mutate, type Random } from './mutate.js'
import { shrink } from './shrink.js'
import { type FuzzTarget, type OpenTarget, TARGETS } from './targets.js'

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

/** Milliseconds in which an input that failed is made smaller. */
const SHRINK_MS = 10_000

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
    if (await fuzz(target, { ms, random: randomFrom(seed), keep: values.keep })) failed++
  process.stdout.write(`${targets.length - failed} passed, ${failed} failed\n`)
  return failed === 0 ? 0 : 1
}

interface Options {
  readonly ms: number
  readonly random: Random
  readonly keep: boolean
}

/** @returns whether an input failed */
async function fuzz(target: FuzzTarget, { ms, random, keep }: Options): Promise<boolean> {
  const run = await target.open()
  const coverage = new Coverage()
  const inputs = [...readCorpus(target.name), ...target.seeds()]
  let failed = await findFailing(run, inputs)
  coverage.takeNew()
  const until = performance.now() + ms
  let count = inputs.length
  while (performance.now() < until && failed === null) {
    const batch = Array.from({ length: BATCH }, () =>
      mutate(inputs[Math.floor(random() * inputs.length)] as Buffer, inputs, target.words, random),
    )
    failed = await findFailing(run, batch)
    count += batch.length
    if (coverage.takeNew() === 0) continue
    // One of them has reached new code: all are worth more changes, and `keep` sorts them out.
    inputs.push(...batch)
  }
  if (keep && failed === null) writeCorpus(target.name, await choose(inputs, target, run, coverage))
  coverage.close()
  const fails = async (input: Buffer): Promise<boolean> => (await attempt(run, input)) !== null
  const smallest = failed === null ? null : await shrink(failed, fails, SHRINK_MS)
  const why = smallest === null ? null : await attempt(run, smallest)
  await run.close()
  process.stdout.write(
    `${target.name.padEnd(18)}${String(count).padStart(9)} inputs, ${inputs.length} of them worth changing\n`,
  )
  if (smallest !== null)
    process.stdout.write(
      `FAILED: ${why}\nThe input, as a line of test/fuzz/corpus/${target.name}.jsonl:\n${formatInput(smallest)}\n`,
    )
  return smallest !== null
}

async function findFailing(run: OpenTarget, inputs: readonly Buffer[]): Promise<Buffer | null> {
  for (const input of inputs) if ((await attempt(run, input)) !== null) return input
  return null
}

/** @returns why the input failed; null if it did not */
async function attempt(run: OpenTarget, input: Buffer): Promise<string | null> {
  const before = process.cpuUsage()
  try {
    await run.take(input)
  } catch (error) {
    return error instanceof Error ? (error.stack ?? error.message) : String(error)
  }
  const { user, system } = process.cpuUsage(before)
  return user + system > SLOW_MS * 1_000 ? `it took ${(user + system) / 1_000} ms of CPU` : null
}

/** The fewest inputs, roughly, that reach the code that all of them reach: short ones first. */
async function choose(
  inputs: readonly Buffer[],
  target: FuzzTarget,
  run: OpenTarget,
  coverage: Coverage,
): Promise<Buffer[]> {
  coverage.forget()
  for (const seed of target.seeds()) await attempt(run, seed)
  coverage.takeNew()
  const chosen: Buffer[] = []
  const byLength = [...inputs].sort((a, b) => a.length - b.length)
  for (const input of byLength.filter(({ length }) => length <= LONGEST_KEPT)) {
    await attempt(run, input)
    if (coverage.takeNew() > 0) chosen.push(input)
  }
  return chosen
}

process.exitCode = await main()
