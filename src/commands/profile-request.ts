import { type IncomingMessage, request } from 'node:http'
import { MOST_SECONDS, PROFILE_HEADER, PROFILE_PATH } from '../admin/profile-endpoint.js'
import { readErrorCode } from '../lib/error-code.js'

/** Milliseconds until a relay must have begun. One that is busy starts its profiler late. */
const BEGIN_MS = 15_000

/** Milliseconds that it may take beyond the time of the profile, to end it and to send it. */
const END_MS = 30_000

/** The most that is taken of a response: a minute of samples is some megabytes. */
const MOST_BYTES = 512 * 1024 * 1024

/** How much of a refusal is shown. */
const REFUSAL_BYTES = 300

/** The relay gave no profile: why, and what to change. */
export class ProfileProblem extends Error {}

/**
 * Asks a relay for a profile.
 * @param origin of its metrics listener
 * @param worker its number; 1 is also a relay in one process
 * @param onBegun called when it has begun
 * @throws ProfileProblem
 */
export async function requestProfile(
  origin: string,
  seconds: number,
  worker: number,
  onBegun: () => void,
): Promise<Buffer> {
  const res = await send(origin, `seconds=${seconds}&worker=${worker}`)
  if (res.statusCode !== 200) throw await describeRefusal(res, origin)
  onBegun()
  const late = setTimeout(() => res.destroy(), Math.min(seconds, MOST_SECONDS) * 1_000 + END_MS)
  try {
    return await readAll(res, MOST_BYTES)
  } catch {
    throw new ProfileProblem(`the relay at ${origin} ended, or gave no profile in time`)
  } finally {
    clearTimeout(late)
  }
}

function send(origin: string, query: string): Promise<IncomingMessage> {
  const url = new URL(`${PROFILE_PATH}?${query}`, origin)
  return new Promise((resolve, reject) => {
    const headers = { [PROFILE_HEADER]: '1', 'content-length': '0' }
    const req = request(url, { method: 'POST', headers, agent: false })
    const late = setTimeout(() => req.destroy(new Error('late')), BEGIN_MS)
    req.on('response', (res) => {
      clearTimeout(late)
      resolve(res)
    })
    req.on('error', (error) => {
      clearTimeout(late)
      reject(describeFailure(error, origin))
    })
    req.end()
  })
}

function describeFailure(error: Error, origin: string): ProfileProblem {
  const code = readErrorCode(error)
  if (code === 'ECONNREFUSED')
    return new ProfileProblem(
      `nobody answers at ${origin}: start the relay, or name another address with --url`,
    )
  if (error.message === 'late')
    return new ProfileProblem(`${origin} has not answered within ${BEGIN_MS / 1_000} s`)
  return new ProfileProblem(`${origin} cannot be asked, or gave no HTTP response (${code})`)
}

async function describeRefusal(res: IncomingMessage, origin: string): Promise<ProfileProblem> {
  const body = await readAll(res, REFUSAL_BYTES).catch(() => Buffer.alloc(0))
  const [line = ''] = body.toString().split('\n')
  // What a relay says that has no profiles yet.
  if (res.statusCode === 404 && line === 'GET /metrics')
    return new ProfileProblem(`the relay at ${origin} is too old for profiles: update it`)
  if (res.statusCode === 404)
    return new ProfileProblem(`what answers at ${origin} is no metrics address of Thinwire; see --url`)
  return new ProfileProblem(`the relay refused: ${line === '' ? `status ${res.statusCode}` : line}`)
}

async function readAll(res: IncomingMessage, most: number): Promise<Buffer> {
  const pieces: Buffer[] = []
  let bytes = 0
  for await (const piece of res as AsyncIterable<Buffer>) {
    pieces.push(piece)
    bytes += piece.length
    if (bytes > most) break
  }
  return Buffer.concat(pieces)
}
