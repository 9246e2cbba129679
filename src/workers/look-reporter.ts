import type { Look, LookQuestion } from '../page/source.js'
import type { Link } from './link.js'
import type { ToLookPrimary, ToLookWorker } from './look-messages.js'

/** The worker's side of the page: tells the primary which requests are open, when somebody looks. */
export function reportLooks(link: Link, look: (question: LookQuestion) => Look): void {
  link.receive('page', (value) => {
    const { look: number, question } = value as ToLookWorker
    const answer: ToLookPrimary = { look: number, found: look(question) }
    link.send('page', answer)
  })
}
