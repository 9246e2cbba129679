import { styleText } from 'node:util'
import type { Outcome, Seen } from './finding.js'
import type { ModelFinding } from './model-check.js'
import { COLOURS, MARKS, wrapText } from './report.js'

const WIDTH = 80
const NAME_MIN = 8
const NAME_MAX = 26
/** Width of a mark with the blanks behind it. */
const MARK_WIDTH = 7

/** Names of the shapes for people. */
const SHAPES = { chat: 'chat', responses: 'Responses', messages: 'Messages' } as const

/** Writes a table of models: which of them work in Ask and in Agent mode, and why not. */
export class ModelPrinter {
  private readonly write: (text: string) => void
  private readonly colours: boolean
  private readonly nameWidth: number

  /** @param shown the names of the models, and whether each has a row for each shape */
  constructor(
    write: (text: string) => void,
    colours: boolean,
    { models, allShapes }: { readonly models: readonly string[]; readonly allShapes: boolean },
  ) {
    this.write = write
    this.colours = colours
    const least = allShapes ? '  as Responses'.length : NAME_MIN
    this.nameWidth = Math.min(NAME_MAX, Math.max(least, ...models.map(({ length }) => length))) + 2
  }

  /** Writes the line above the table. */
  begin(): void {
    const names = ['Ask', 'Agent'].map((name) => name.padEnd(MARK_WIDTH)).join('')
    this.write(`\n ${'Model'.padEnd(this.nameWidth)}${names}Result, or the first cause\n`)
  }

  show({ model, ask, agent }: ModelFinding): void {
    const [own, ...others] = agent
    if (own === undefined) return
    this.writeRow(model, [ask.outcome, own.outcome], describeBoth(ask, own))
    for (const other of others) this.writeRow(`  as ${SHAPES[other.shape]}`, [null, other.outcome], [other])
  }

  private writeRow(name: string, outcomes: readonly (Outcome | null)[], told: readonly Seen[]): void {
    const isLong = name.length > this.nameWidth - 2
    if (isLong) this.write(` ${name}\n`)
    const marks = outcomes.map((outcome) => this.formatMark(outcome)).join('')
    const indent = 1 + this.nameWidth + outcomes.length * MARK_WIDTH
    const lines = told.flatMap(({ seen }) => wrapText(seen, WIDTH - indent))
    this.write(` ${(isLong ? '' : name).padEnd(this.nameWidth)}${marks}${lines[0] ?? ''}`.trimEnd())
    this.write('\n')
    for (const line of lines.slice(1)) this.write(`${' '.repeat(indent)}${line}\n`)
    // The lines of the config would be too narrow in the last column.
    for (const change of new Set(told.flatMap((each) => each.change)))
      for (const [i, line] of wrapText(change, WIDTH - 5).entries())
        this.write(`   ${i === 0 ? '>' : ' '} ${line}\n`)
  }

  private formatMark(outcome: Outcome | null): string {
    if (outcome === null) return ' '.repeat(MARK_WIDTH)
    const text = MARKS[outcome].padEnd(MARK_WIDTH)
    return this.colours ? styleText(COLOURS[outcome], text, { validateStream: false }) : text
  }
}

/** What was seen in both modes: the same cause is printed once, and a success is printed for the agent alone. */
function describeBoth(ask: Seen, agent: Seen): readonly Seen[] {
  if (ask.outcome === 'ok' || ask.seen === agent.seen) return [agent]
  return agent.outcome === 'ok'
    ? [{ ...ask, seen: `Ask: ${ask.seen}` }]
    : [
        { ...ask, seen: `Ask: ${ask.seen}` },
        { ...agent, seen: `Agent: ${agent.seen}` },
      ]
}
