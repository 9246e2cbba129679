import { joinOpen } from '../page/open-requests.js'
import type { Look, LookQuestion, OpenRequests, TargetHealth } from '../page/source.js'
import { mergeHealth } from '../page/target-health.js'
import type { Link } from './link.js'
import type { ToLookPrimary, ToLookWorker } from './look-messages.js'

/** Milliseconds that a look waits for the workers. It goes without those that do not answer. */
const LOOK_MS = 800

/** A question that waits for answers. */
interface OpenLook {
  readonly waiting: Set<Link>
  readonly found: Look[]
  readonly end: () => void
}

/** Asks all workers for their open requests, for the page of the primary. */
export class WorkersLook {
  private readonly lookMs: number
  private readonly links: Set<Link>
  private readonly looks: Map<number, OpenLook>
  private lastNumber: number

  constructor(lookMs: number = LOOK_MS) {
    this.lookMs = lookMs
    this.links = new Set()
    this.looks = new Map()
    this.lastNumber = 0
  }

  /** Asks a worker from now on, until its link closes. */
  follow(link: Link): void {
    this.links.add(link)
    link.receive('page', (value) => this.onAnswer(link, value as ToLookPrimary))
    link.onClose(() => {
      this.links.delete(link)
      for (const look of this.looks.values()) this.stopWaiting(look, link)
    })
  }

  async look(question: LookQuestion): Promise<Look> {
    const number = ++this.lastNumber
    const found = await new Promise<readonly Look[]>((resolve) => {
      const answers: Look[] = []
      const end = (): void => {
        clearTimeout(timer)
        this.looks.delete(number)
        resolve(answers)
      }
      const timer = setTimeout(end, this.lookMs)
      const look = { waiting: new Set(this.links), found: answers, end }
      this.looks.set(number, look)
      const message: ToLookWorker = { look: number, question }
      for (const link of this.links) link.send('page', message)
      if (look.waiting.size === 0) end()
    })
    return joinLooks(question, found)
  }

  private onAnswer(link: Link, { look: number, found }: ToLookPrimary): void {
    const look = this.looks.get(number)
    if (look === undefined) return
    look.found.push(found)
    this.stopWaiting(look, link)
  }

  private stopWaiting(look: OpenLook, link: Link): void {
    if (look.waiting.delete(link) && look.waiting.size === 0) look.end()
  }
}

function joinLooks({ all, keys }: LookQuestion, found: readonly Look[]): Look {
  const byKey = Object.fromEntries(
    keys.map((key) => [key, joinOpen(found.flatMap((look) => look.byKey[key] ?? []))]),
  )
  const everyone = found.flatMap((look): OpenRequests[] => (look.all === null ? [] : [look.all]))
  const byTarget = new Map<string, TargetHealth[]>()
  for (const { targets } of found)
    for (const [name, health] of Object.entries(targets))
      byTarget.set(name, [...(byTarget.get(name) ?? []), health])
  const targets = Object.fromEntries([...byTarget].map(([name, each]) => [name, mergeHealth(each)]))
  return { all: all ? joinOpen(everyone) : null, byKey, targets }
}
