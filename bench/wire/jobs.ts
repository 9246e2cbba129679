import type { Api, Plan } from './plan.js'
import type { Pace, Target } from './stream.js'

/** The jobs of the driver. Times are microseconds unless named otherwise. */
export interface Jobs {
  /** Streams one after the other on one kept connection. A first byte's time begins when the prompt has been sent. */
  sequential: {
    ask: {
      target: Target
      plan: Plan
      promptBytes: number
      streams: number
      pace: Pace | null
      /** Milliseconds from one request to the next; not given: as soon as the stream has ended. */
      every?: number
      /** Turns of an agent, whose prompt it is then. */
      turns?: number
    }
    /** `resumed`: responses for which the upstream's TLS connection began with the session of an earlier one. */
    answer: { firstByteUs: number[]; delayUs: number[]; resumed: number }
  }
  /**
   * Many streams at once. The driver sends two marks: `begin` when all streams run, `end` before the first one ends.
   * Only events between the two are counted.
   */
  paced: {
    ask: {
      target: Target
      plan: Plan
      promptBytes: number
      /** API of the prompts. Others than chat go to the path that translates their responses to chat. */
      api: Api
      streams: number
      /** Milliseconds from the start of the first stream to that of the last; by default those between two events. */
      startMs?: number
      /** One more client asks for a stream without a pace and never reads it. */
      stalled: boolean
      /** Requests per second for a short answer, from other clients. 0 for none. */
      requestsPerSecond: number
      /** These requests have an invalid key. */
      badKey: boolean
    }
    answer: { delayUs: number[] }
  }
  /** As many requests as possible within a time. */
  load: {
    ask: {
      target: Target
      plan: Plan
      promptBytes: number
      connections: number
      seconds: number
      /** A new connection for each request. */
      reconnect: boolean
      /** Responses other than 2xx are expected. */
      refused: boolean
    }
    answer: { requests: number; seconds: number }
  }
  /** A number of chats with JSON responses, on kept connections. */
  answers: {
    ask: {
      target: Target
      plan: Plan
      promptBytes: number
      model: string
      connections: number
      requests: number
    }
    answer: { requests: number }
  }
  /** Requests for a JSON response at fixed times. A response's time begins when its request was due. */
  openLoop: {
    ask: { target: Target; plan: Plan; promptBytes: number; rate: number; seconds: number }
    answer: { responseUs: number[] }
  }
  /** As many completions as possible within a time, up to a number, on kept connections. */
  completions: {
    ask: {
      target: Target
      plan: Plan
      promptBytes: number
      connections: number
      seconds: number
      /** Most requests; null for no limit. */
      requests: number | null
      /** Each request has another prompt. Otherwise all repeat a new prompt that was completed just before. */
      distinct: boolean
      /** With this, the requests have so many new prompts by turns. */
      prompts?: number
    }
    answer: { requests: number; seconds: number; outcomes: Outcomes }
  }
  /** Groups of clients that request a streamed completion at the same moment, one group after the other. */
  together: {
    ask: {
      target: Target
      plan: Plan
      promptBytes: number
      clients: number
      groups: number
      /** Each client has another prompt. Otherwise all clients of a group have the same. */
      distinct: boolean
    }
    answer: { streams: number; outcomes: Outcomes }
  }
  /**
   * Streams that start together, again and again on the same connections. The driver sends two marks for each time:
   * `begin` when all have their first event, `end` before their last one. Only the events between the two are counted.
   */
  burst: {
    ask: { target: Target; plan: Plan; promptBytes: number; bursts: number }
    answer: { firstByteUs: number[]; delayUs: number[] }
  }
  /** One stream as fast as it can be read. */
  throughput: {
    ask: { target: Target; plan: Plan; promptBytes: number }
    answer: { bytes: number; seconds: number }
  }
  /** Opens streams, sends the mark `held`, and closes them when told to. */
  hold: {
    ask: { target: Target; plan: Plan; promptBytes: number; streams: number }
    answer: { opened: number }
  }
}

/** Number of responses by their `x-thinwire-cache`; `none` for responses without that header. */
export type Outcomes = Readonly<Record<string, number>>

export type JobName = keyof Jobs

export interface JobMessage {
  readonly job: JobName
  readonly ask: Jobs[JobName]['ask']
}

/** A point within a job; `ready`: the driver listens for jobs. */
export type Mark = 'begin' | 'end' | 'held' | 'ready'

/** What the driver sends: a mark, or the end of its job. */
export type DriverMessage =
  | { readonly mark: Mark }
  | { readonly answer: Jobs[JobName]['answer'] }
  | { readonly problem: string }
