import { asObject, isObject, type JsonObject, parseJson } from '../json/values.js'
import { type ErrorFacts, readErrorFacts } from '../routing/error-facts.js'
import { AwsEventReader, type AwsMessage, type AwsMessageHandler } from '../sse/aws-event-stream.js'
import { type Beginning, judgeEvent } from './first-content.js'

/** Bytes of the longest message that is looked at: those that announce an answer have some hundred. */
const LONGEST_MESSAGE = 64 * 1024

/**
 * Reads the beginning of a stream of Bedrock until the answer begins, or an exception comes in its place. The events
 * are those of Converse, or those of the model's own API in base64.
 */
export class AwsBeginning implements AwsMessageHandler {
  /** Of the exception, for the decision whether another target may do better. */
  facts: ErrorFacts | null
  private found: Beginning
  private readonly reader: AwsEventReader

  constructor() {
    this.facts = null
    this.found = 'empty'
    this.reader = new AwsEventReader(this, LONGEST_MESSAGE)
  }

  push(chunk: Buffer): Beginning {
    if (this.found === 'empty') this.reader.push(chunk)
    return this.found
  }

  /** The stream is over. */
  end(): Beginning {
    return this.found
  }

  onMessage({ headers, payload }: AwsMessage): void {
    if (this.found !== 'empty') return
    const kind = headers.get(':message-type')
    const body = asObject(parseJson(payload.toString('utf8')))
    if (kind === 'event') {
      this.judge(headers.get(':event-type') ?? '', body)
      return
    }
    const code = headers.get(':exception-type') ?? headers.get(':error-code') ?? kind
    this.facts = readErrorFacts({ message: headers.get(':error-message'), ...body, code }, Date.now())
    this.found = 'error'
  }

  /** Nothing says that no answer has begun. */
  onUnreadable(): void {
    if (this.found === 'empty') this.found = 'content'
  }

  private judge(name: string, body: JsonObject): void {
    // Converse: the start of a block names the tool that is called, and of a text it says nothing.
    if (name === 'messageStart') return
    if (name === 'contentBlockStart' && !isObject(asObject(body.start).toolUse)) return
    const event =
      name === 'chunk' && typeof body.bytes === 'string'
        ? parseJson(Buffer.from(body.bytes, 'base64').toString('utf8'))
        : null
    if (!isObject(event)) this.found = 'content'
    else if (!isObject(event.messageStart)) this.found = judgeEvent('', event)
    if (this.found === 'error' && isObject(event)) this.facts = readErrorFacts(event, Date.now())
  }
}
