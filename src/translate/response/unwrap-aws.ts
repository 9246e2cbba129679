import type { ResponseFacts } from '../../http/response-headers.js'
import { isObject, parseJson, stringOr } from '../../json/values.js'
import { EMPTY } from '../../lib/bytes.js'
import { AwsEventReader, type AwsMessage, type AwsMessageHandler } from '../../sse/aws-event-stream.js'
import type { CreateTranslation, Translation } from '../translation.js'
import { BufferedTranslation } from './buffered.js'
import { joinTranslations } from './chain.js'
import { convertErrorBody } from './error-body.js'

/** In bytes. `transformBufferBytes` is the limit of what is held. */
const LONGEST_MESSAGE = 24 * 1024 * 1024
/** In bytes. A longer error passes as it is. */
const LONGEST_ERROR = 1024 * 1024

/** What Bedrock calls the errors in a stream, in the words of Messages (API reference, Errors). */
const ERROR_TYPES: Readonly<Record<string, string>> = {
  throttlingException: 'rate_limit_error',
  serviceUnavailableException: 'overloaded_error',
  modelTimeoutException: 'timeout_error',
  validationException: 'invalid_request_error',
}

/**
 * Turns a stream of Bedrock (`invoke-with-response-stream` of Claude) into the event stream of Messages that is in it.
 * The data of each event keeps its bytes. An exception becomes an error event, and so does what cannot be read.
 */
export class AwsUnwrapper implements Translation, AwsMessageHandler {
  readonly makes = 'stream'
  private readonly reader: AwsEventReader
  private events: Buffer[]

  constructor() {
    this.reader = new AwsEventReader(this, LONGEST_MESSAGE)
    this.events = []
  }

  get bytesHeld(): number {
    return this.reader.bytesHeld
  }

  push(chunk: Buffer): Buffer {
    this.reader.push(chunk)
    const { events } = this
    if (events.length === 0) return EMPTY
    this.events = []
    return events.length === 1 ? (events[0] as Buffer) : Buffer.concat(events)
  }

  end(): Buffer {
    return this.reader.isMidMessage ? writeError('api_error', UNREADABLE) : EMPTY
  }

  breakOff(): Buffer {
    return EMPTY
  }

  abort(error: string): Buffer {
    const body = parseJson(error)
    const inner = isObject(body) && isObject(body.error) ? body.error : {}
    return writeError('api_error', stringOr(inner.message, UNREADABLE))
  }

  onMessage({ headers, payload }: AwsMessage): void {
    const kind = headers.get(':message-type')
    const body = parseJson(payload.toString('utf8'))
    if (kind === 'event') {
      // Of other events than chunks, Messages has no word.
      if (headers.get(':event-type') !== 'chunk') return
      if (isObject(body) && typeof body.bytes === 'string') this.addEvent(Buffer.from(body.bytes, 'base64'))
      else this.onUnreadable()
      return
    }
    const name = headers.get(':exception-type') ?? headers.get(':error-code') ?? ''
    const message = isObject(body) ? stringOr(body.message, '') : (headers.get(':error-message') ?? '')
    this.events.push(writeError(ERROR_TYPES[name] ?? 'api_error', message || name || UNREADABLE))
  }

  onUnreadable(): void {
    this.events.push(writeError('api_error', UNREADABLE))
  }

  private addEvent(data: Buffer): void {
    const event = parseJson(data.toString('utf8'))
    if (!isObject(event) || typeof event.type !== 'string') this.onUnreadable()
    else this.events.push(Buffer.concat([Buffer.from(`event: ${event.type}\ndata: `), data, BLANK]))
  }
}

const BLANK = Buffer.from('\n\n')
const UNREADABLE = 'The stream of the upstream could not be read.'

function writeError(type: string, message: string): Buffer {
  return Buffer.from(`event: error\ndata: ${JSON.stringify({ type: 'error', error: { type, message } })}\n\n`)
}

/**
 * Creates the choice for the responses of Bedrock to a request of Messages.
 * @param inner of the response behind that
 */
export function createAwsUnwrapping(inner: CreateTranslation): CreateTranslation {
  return (status, facts) => {
    if (status !== 200 || !facts.awsEventStream || facts.encoding !== null) return inner(status, facts)
    return joinTranslations(new AwsUnwrapper(), inner(status, { ...facts, eventStream: true }))
  }
}

/** Gives error bodies of a cloud the form of Messages. */
export function createErrorConversion(status: number, { encoding }: ResponseFacts): Translation | null {
  if (status < 400 || encoding !== null) return null
  return new BufferedTranslation((body) => convertErrorBody(body, 'messages', status), {
    longest: LONGEST_ERROR,
    makes: 'json',
  })
}
