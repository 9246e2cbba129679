import type { Api, Plan } from './plan.js'
import type { Pace, Target } from './stream.js'

/** What the driver can be asked for. Times are microseconds unless named otherwise. */
export interface Jobs {
  /** Streams one after the other on one kept connection. A first byte's time begins when the prompt has been sent. */
  sequential: {
    ask: { target: Target; plan: Plan; promptBytes: number; streams: number; pace: Pace | null }
    answer: { firstByteUs: number[]; delayUs: number[] }
  }
  /**
   * Many streams at once. Two marks are sent on the way: `begin` when all of them run, `end` before the first ends.
   * Only what comes between the two is counted.
   */
  paced: {
    ask: {
      target: Target
      plan: Plan
      promptBytes: number
      /** Of the prompts; those that are not of chat completions go to the path that makes chats of their answers. */
      api: Api
      streams: number
      /** One more client asks for a stream without a pace and never reads it. */
      stalled: boolean
      /** Requests per second for a short answer, from other clients. 0 for none. */
      requestsPerSecond: number
      /** They come with a key that is none. */
      badKey: boolean
    }
    answer: { delayUs: number[] }
  }
  /** As many requests as go through in a time. */
  load: {
    ask: {
      target: Target
      plan: Plan
      promptBytes: number
      connections: number
      seconds: number
      /** A new connection for each request. */
      reconnect: boolean
      /** Answers other than 2xx are what is asked for. */
      refused: boolean
    }
    answer: { requests: number; seconds: number }
  }
  /** So many chats with whole answers, on kept connections. */
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
  /** As many completions as go through in a time, or so many at the most, on kept connections. */
  completions: {
    ask: {
      target: Target
      plan: Plan
      promptBytes: number
      connections: number
      seconds: number
      /** Null for as many as go through. */
      requests: number | null
      /** Each of them asks something else; else all ask what was answered just before, and nothing earlier has asked. */
      distinct: boolean
    }
    answer: { requests: number; seconds: number; outcomes: Outcomes }
  }
  /** Groups of clients that ask for a streamed completion at the same moment, one group after the other. */
  together: {
    ask: {
      target: Target
      plan: Plan
      promptBytes: number
      clients: number
      groups: number
      /** Each client asks something else; else all of a group ask the same. */
      distinct: boolean
    }
    answer: { streams: number; outcomes: Outcomes }
  }
  /** One stream as fast as it can be read. */
  burst: {
    ask: { target: Target; plan: Plan; promptBytes: number }
    answer: { bytes: number; seconds: number }
  }
  /** Opens streams, sends the mark `held`, and closes them when told to. */
  hold: {
    ask: { target: Target; plan: Plan; promptBytes: number; streams: number }
    answer: { opened: number }
  }
}

/** How many answers said what in `x-thinwire-cache`; `none` where they had no such header. */
export type Outcomes = Readonly<Record<string, number>>

export type JobName = keyof Jobs

export interface JobMessage {
  readonly job: JobName
  readonly ask: Jobs[JobName]['ask']
}

/** How far a job has come. */
export type Mark = 'begin' | 'end' | 'held'

/** What the driver sends: a mark on the way, or the end of its job. */
export type DriverMessage =
  | { readonly mark: Mark }
  | { readonly answer: Jobs[JobName]['answer'] }
  | { readonly problem: string }
