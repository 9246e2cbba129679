import { generator } from '../statistics.js'
import type { View } from './session.js'
import { ABOVE, BELOW, TYPED } from './text.js'

/** A pause, and the file and its cursor after the key that follows. */
export interface Key extends View {
  /** Milliseconds. */
  readonly pause: number
}

/** Median time between two keys of one word. This is fast; the pauses decide the average speed. */
const BURST_MS = 62

/** Share of wrong keys, of words that begin with another word, and of words that are typed again. */
const SLIPS = 0.025
const SECOND_THOUGHTS = 0.03
const RETYPED = 0.03

/** Pause that is enough to read a suggestion, the share of these after which it is taken, and then undone. */
const READING_MS = 600
const TAKEN = 0.55
const REGRETTED = 0.2

const OTHER_WORDS = ['result', 'items', 'data', 'index', 'current']

/** Neighbouring keys. */
const ROWS = ['qwertyuiop', 'asdfghjkl', 'zxcvbnm']

/**
 * A simulated typist: fast within a word, slower at the end of a word, slow at the end of a line. It corrects wrong
 * keys, undoes wrong words, takes parts of suggestions, and goes back to forgotten parts.
 */
export class Typist {
  readonly start: View
  private readonly keys: Key[]
  private readonly random: () => number
  private before: string
  private behind: string
  /** Pause before the next key: the sum of all reasons for one. */
  private pause: number

  constructor(seed: number) {
    this.start = { before: ABOVE, behind: BELOW }
    this.keys = []
    this.random = generator(seed)
    this.before = ABOVE
    this.behind = BELOW
    this.pause = 500
  }

  /** Types the whole text. May be called once. */
  type(): readonly Key[] {
    const forgotten: { at: number; text: string }[] = []
    for (const part of TYPED.split(/(«[^»]*»|¶)/)) {
      if (part === '¶') for (const { at, text } of forgotten.splice(0)) this.goBack(at, text)
      else if (part.startsWith('«')) forgotten.push({ at: this.before.length, text: part.slice(1, -1) })
      else this.write(part)
    }
    return this.keys
  }

  private goBack(at: number, text: string): void {
    const end = this.before.length
    this.pause += this.between(700, 1_300)
    for (let up = this.before.lastIndexOf('\n'); up > at; up = this.before.lastIndexOf('\n', up - 1))
      this.move(up)
    this.move(at)
    this.pause += this.between(300, 600)
    this.write(text)
    this.pause += this.between(400, 900)
    this.move(end + text.length)
    this.pause += this.between(400, 900)
  }

  private write(text: string): void {
    let i = 0
    while (i < text.length) {
      const rest = text.slice(i)
      const line = /^\n */.exec(rest)?.[0]
      if (line !== undefined) {
        this.pause += this.between(120, 350)
        this.insert(line)
        i += line.length
        this.think()
        continue
      }
      const isWord = !/\w$/.test(this.before) || !/^\w/.test(rest)
      if (isWord && this.random() < 0.06) this.pause += this.between(200, 800)
      if (this.pause >= READING_MS && this.random() < TAKEN) {
        const taken = this.suggested(rest)
        if (this.take(taken)) i += taken.length
        continue
      }
      const word = /^[a-zA-Z]{4,}/.exec(rest)?.[0]
      if (isWord && word !== undefined && this.random() < SECOND_THOUGHTS) this.startOver()
      if (isWord && word !== undefined && this.random() < RETYPED) this.typeAndErase(word)
      if (/^[a-z]/.test(rest) && this.random() < SLIPS) this.slip(rest)
      this.insert(rest[0] as string)
      i++
    }
  }

  /** Pauses at the end of a line. */
  private think(): void {
    const kind = this.random()
    if (kind < 0.45) this.pause += this.between(150, 400)
    else if (kind < 0.85) this.pause += this.between(350, 900)
    else this.pause += this.between(900, 1_800)
  }

  /** The part of a suggestion that is taken: a word, a line, or two lines. */
  private suggested(rest: string): string {
    const kind = this.random()
    const pattern = kind < 0.5 ? /^\W*\w+/ : kind < 0.9 ? /^[^\n]+/ : /^[^\n]+\n[^\n]+/
    return pattern.exec(rest)?.[0] ?? rest.slice(0, 1)
  }

  /** Takes a suggestion, and may undo it. @returns whether it stays */
  private take(text: string): boolean {
    const { before } = this
    this.insert(text)
    this.pause += this.between(300, 900)
    if (this.random() >= REGRETTED) return true
    this.erase(before)
    this.pause += this.between(150, 400)
    return false
  }

  /** Types another word and undoes it in two steps, because editors group keys. */
  private startOver(): void {
    const { before } = this
    const word = OTHER_WORDS[Math.floor(this.random() * OTHER_WORDS.length)] as string
    for (const letter of word) this.insert(letter)
    this.pause += this.between(400, 900)
    this.erase(before + word.slice(0, 2))
    this.pause += this.between(60, 200)
    this.erase(before)
    this.pause += this.between(200, 500)
  }

  /** Types the right word and erases it in one step. */
  private typeAndErase(word: string): void {
    const { before } = this
    for (const letter of word) this.insert(letter)
    this.pause += this.between(500, 900)
    this.erase(before)
    this.pause += this.between(150, 400)
  }

  /** Types a neighbour of the right key, and corrects it some keys later. */
  private slip(rest: string): void {
    const { before } = this
    const [right = ''] = rest
    const row = ROWS.find((keys) => keys.includes(right)) ?? right
    const at = row.indexOf(right)
    this.insert(row[at + 1] ?? row[at - 1] ?? right)
    const unseen = /^\w*/.exec(rest.slice(1, 1 + Math.floor(this.random() * 4)))?.[0] ?? ''
    for (const letter of unseen) this.insert(letter)
    this.pause += this.between(150, 400)
    while (this.before.length > before.length) this.erase(this.before.slice(0, -1))
    this.pause += this.between(0, 150)
  }

  private insert(text: string): void {
    this.press(this.before + text, this.behind)
  }

  /** @param left the rest of the text before the cursor */
  private erase(left: string): void {
    this.press(left, this.behind)
  }

  private move(to: number): void {
    const text = this.before + this.behind
    this.press(text.slice(0, to), text.slice(to))
  }

  private press(before: string, behind: string): void {
    this.before = before
    this.behind = behind
    this.keys.push({ pause: Math.round(this.pause + this.beat()), before, behind })
    this.pause = 0
  }

  /** A sum of uniform numbers approximates a normal one, and its power the time between keys. */
  private beat(): number {
    const normal = this.random() + this.random() + this.random() + this.random() - 2
    return Math.min(400, Math.max(35, BURST_MS * Math.exp(0.6 * normal)))
  }

  private between(least: number, most: number): number {
    return least + this.random() * (most - least)
  }
}
