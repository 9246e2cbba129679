import type { Exchange } from '../exchange/exchange.js'
import type { Stage } from '../exchange/stage.js'
import type { RequestBody } from '../relay/request-body.js'
import type { LimitGate, Refused } from './limit-gate.js'
import type { RequestDispatcher } from './request-dispatcher.js'

/**
 * The stage of a request while another process, which counts, is asked whether it may pass. The limits bound the time;
 * what was asked for is given back with the ticket. A body that is not complete stays the stage, and goes on to arrive.
 */
export class CheckWait implements Stage {
  /**
   * @param onChecked called unless the exchange is over by then. `isPlanned` is false if there is more of the body, or
   * another config: it is to be planned again
   * @param onCrash called with what `onChecked` throws
   */
  static start(
    exchange: Exchange,
    body: Pick<RequestBody, 'isComplete'> | null,
    limits: Pick<LimitGate, 'whenChecked'>,
    dispatcher: Pick<RequestDispatcher, 'generation'>,
    onChecked: (refused: Refused | null, isPlanned: boolean) => void,
    onCrash: (error: unknown) => void,
  ): void {
    const { generation } = dispatcher
    const isWhole = body === null || body.isComplete
    if (isWhole) exchange.stage = new CheckWait()
    limits.whenChecked(exchange, (refusal) => {
      const refused = refusal === null ? null : { code: refusal.code, details: refusal }
      try {
        onChecked(refused, isWhole && dispatcher.generation === generation)
      } catch (error) {
        onCrash(error)
      }
    })
  }

  onClose(): void {
    // The ticket is released.
  }

  onTick(): void {
    // The limits have a clock of their own.
  }
}
