import { Bench } from 'tinybench'
import { peek } from '../../src/http/peek.js'

/** A prompt of about `bytes`, with `stream` behind the messages, as most clients write it. */
export function promptOf(bytes: number): Buffer {
  const line = 'const relay = new Relay("x", { timeouts });\n\treturn relay; // naïve\n'
  const content = line.repeat(Math.ceil(bytes / line.length / 8))
  const messages = Array.from({ length: 8 }, (_, i) => ({
    role: i % 2 === 0 ? 'user' : 'assistant',
    content,
  }))
  return Buffer.from(JSON.stringify({ model: 'gpt-x-test', temperature: 0, messages, stream: true }))
}

/** Finding `model` and `stream` in the bytes, beside decoding and parsing them. Medians, and their ratio. */
export async function benchPeek(): Promise<string[]> {
  const lines: string[] = []
  for (const [label, bytes] of [
    ['2 KB', 2_000],
    ['100 KB', 100_000],
    ['2 MB', 2_000_000],
  ] as const) {
    const body = promptOf(bytes)
    const bench = new Bench({ time: 400, warmupTime: 100 })
    bench.add('peek', () => {
      peek(body)
    })
    bench.add('parse', () => {
      JSON.parse(body.toString())
    })
    await bench.run()
    const [ours, theirs] = bench.tasks.map((task) => {
      const { result } = task
      return 'latency' in result ? result.latency.p50 * 1000 : Number.NaN
    })
    if (ours === undefined || theirs === undefined) throw new Error('the bench did not run')
    lines.push(
      `peek ${label.padEnd(7)} ${ours.toFixed(1).padStart(9)} us   JSON.parse ${theirs.toFixed(1).padStart(9)} us   ${(theirs / ours).toFixed(1)}x`,
    )
  }
  return lines
}
