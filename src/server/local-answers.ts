import { answerProbe } from '../admin/probes.js'
import type { Exchange } from '../exchange/exchange.js'
import type { RelayState } from '../observe/relay-state.js'
import { sendJson, sendPreflight } from '../relay/local-response.js'
import type { Admission } from './admission.js'
import { Waiting } from './waiting.js'

/** Sends what the relay answers by itself: preflights, health probes, lists of models. */
export class LocalAnswers {
  private readonly state: RelayState
  private readonly admission: Admission

  /** @param state that health probes report */
  constructor(state: RelayState, admission: Admission) {
    this.state = state
    this.admission = admission
  }

  answerPreflight(exchange: Exchange): void {
    exchange.conclude('local')
    sendPreflight(exchange, this.state.draining)
  }

  /** Answers a health probe, which needs neither a key nor an upstream. False if the request is none. */
  answerProbe(exchange: Exchange): boolean {
    if (exchange.request.method !== 'GET' && exchange.request.method !== 'HEAD') return false
    const answer = answerProbe(exchange.request.path, this.state, exchange.req)
    if (answer === null) return false
    this.answer(exchange, answer.status, answer.body)
    return true
  }

  /** Sends JSON once it is there: now, or later. Its maker limits the wait. */
  answerLater(exchange: Exchange, body: unknown, onFailed: () => void): void {
    if (!(body instanceof Promise)) {
      this.answer(exchange, 200, body)
      return
    }
    const answer = (value: unknown): void => this.answer(exchange, 200, value)
    // An upstream's list may be impossible to serialise, such as too deep a nesting.
    Waiting.start(exchange, body, answer, onFailed)
  }

  answer(exchange: Exchange, status: number, value: unknown): void {
    exchange.conclude('local')
    this.admission.release(exchange)
    sendJson(exchange, status, value, this.state.draining)
  }
}
