import { parseJson } from '../json/values.js'
import { PartialBuffer } from '../lib/partial-buffer.js'
import { readData } from '../sse/event-data.js'
import { EventSplitter } from '../sse/event-splitter.js'
import type { BodyChunk, HttpResponse } from './http-request.js'
import { readField } from './quote.js'

/** The content of a stream of events. */
export interface EventsSeen {
  /** Arrival of the end of each event, in milliseconds from the start of the request. */
  readonly times: readonly number[]
  /** Bytes of the events. */
  readonly bytes: number
  /** Number of chat completion chunks. */
  readonly chunks: number
  /** The stream had `[DONE]`. */
  readonly done: boolean
  /** The last `finish_reason`. */
  readonly finish: string | null
  /** The message of an error within the stream. */
  readonly error: string | null
  /** Type of the first event that is not a chat completion chunk. */
  readonly foreign: string | null
  /** A part of a tool call had no index. */
  readonly unindexed: boolean
  /** The response is from Thinwire's demo, whose pace is known. */
  readonly demo: boolean
}

/** Reads events as a client does (WHATWG HTML, 9.2.6): an event without a blank line at its end does not count. */
export function readEvents(response: HttpResponse): EventsSeen {
  const times: number[] = []
  let bytes = 0
  let chunks = 0
  let done = false
  let finish: string | null = null
  let error: string | null = null
  let foreign: string | null = null
  let unindexed = false
  let demo = false
  for (const { atMs, data, size } of splitEvents(response.chunks)) {
    times.push(atMs)
    bytes += size
    if (data.trim() === '[DONE]') {
      done = true
      continue
    }
    const value = parseJson(data)
    const problem = readField(value, 'error')
    if (problem !== undefined && problem !== null) {
      const message = readField(problem, 'message')
      error ??= typeof message === 'string' ? message : JSON.stringify(problem)
    } else if (readField(value, 'object') === 'chat.completion.chunk') {
      chunks++
      demo ||= readField(value, 'system_fingerprint') === 'fp_thinwire_demo'
      const choices = readField(value, 'choices')
      for (const choice of Array.isArray(choices) ? choices : []) {
        const reason = readField(choice, 'finish_reason')
        if (typeof reason === 'string') finish = reason
        const calls = readField(readField(choice, 'delta'), 'tool_calls')
        if (Array.isArray(calls) && calls.some((call) => typeof readField(call, 'index') !== 'number')) {
          unindexed = true
        }
      }
    } else {
      const type = readField(value, 'type') ?? readField(value, 'object')
      foreign ??= typeof type === 'string' ? type : value === undefined ? 'no JSON' : 'no object'
    }
  }
  return { times, bytes, chunks, done, finish, error, foreign, unindexed, demo }
}

/** An event of a stream: its arrival in milliseconds from the start of the request, its data, its size in bytes. */
export interface Event {
  readonly atMs: number
  readonly data: string
  readonly size: number
}

/** Splits a body into events with data. Comments, which only keep a connection alive, are left out. */
export function splitEvents(chunks: readonly BodyChunk[]): Event[] {
  const events: Event[] = []
  const splitter = new EventSplitter()
  const partial = new PartialBuffer()
  for (const { atMs, bytes } of chunks) {
    let start = splitter.startChunk(bytes)
    for (
      let end = splitter.findEventEnd(bytes, start);
      end !== -1;
      end = splitter.findEventEnd(bytes, start)
    ) {
      partial.add(bytes.subarray(start, end))
      start = end
      const event = partial.take()
      const data = readData(event)
      if (data !== null) events.push({ atMs, data, size: event.length })
    }
    partial.add(bytes, start)
  }
  return events
}
