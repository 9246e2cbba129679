import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { configure, UPSTREAM_KEY } from '../../support/start.js'
import { clear, open, type Place, started, type Thinwire } from '../../support/thinwire.js'
import { until, wait } from '../../support/until.js'
import { ScriptedUpstream, whole } from '../../support/upstream.js'

const test = suite<Place>('flood memory')

test.before.each(open)
test.after.each(clear)

/** What a flood may make the relay hold. The floods send up to 600 MB. */
const MOST_HELD = 64 * 1024 * 1024

/** Resident memory has garbage in it, too: up to 127 MB were seen on a busy machine where 25 MB were held. */
const MOST_RESIDENT = 192 * 1024 * 1024

const HELD_MEMORY = new URL('../../support/held-memory.js', import.meta.url)

/** The most resident memory so far: bytes, as the system counts them. */
function readResident({ child }: Thinwire): number {
  const status = readFileSync(`/proc/${child.pid}/status`, 'latin1')
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1]) * 1024
}

/** What the relay held at each look so far, in bytes. */
function readHeld({ err }: Thinwire): number[] {
  return [...err.matchAll(/^held (\d+)$/gm)].map(([, bytes]) => Number(bytes))
}

/** Connections without a key that send and read nothing, or little. */
class Flood {
  private readonly sockets: Socket[] = []
  private isOver = false

  /** Opens connections, and lets `attack` loose on each. */
  async start(port: number, count: number, attack: (send: Send) => Promise<void>): Promise<void> {
    for (let i = 0; i < count; i++) {
      const socket = connect(port, '127.0.0.1')
      socket.pause()
      socket.on('error', () => {})
      this.sockets.push(socket)
      await new Promise((resolve) => socket.once('connect', resolve).once('close', resolve))
    }
    await Promise.all(this.sockets.map((socket) => attack((bytes) => this.send(socket, bytes))))
  }

  /** Sends, and waits until the bytes have left, or a while. @returns false when that is of no use any more */
  private async send(socket: Socket, bytes: string): Promise<boolean> {
    if (this.isOver || socket.destroyed || !socket.writable) return false
    let isSent = false
    socket.write(bytes, () => {
      isSent = true
    })
    for (let i = 0; i < 200 && !isSent && !socket.destroyed; i++) await wait(10)
    return isSent
  }

  stop(): void {
    this.isOver = true
    for (const socket of this.sockets) socket.destroy()
  }
}

type Send = (bytes: string) => Promise<boolean>

const repeated =
  (bytes: string, times: number, head = '') =>
  async (send: Send): Promise<void> => {
    if (head !== '' && !(await send(head))) return
    for (let i = 0; i < times; i++) if (!(await send(bytes))) return
  }

const PIPELINED = (line: string): string => `${line} HTTP/1.1\r\nhost: relay\r\n\r\n`.repeat(2_000)
const ONE_BYTE_CHUNKS = '1\r\nx\r\n'.repeat(10_000)
const POST = 'POST /v1/chat/completions HTTP/1.1\r\nhost: relay\r\n'

/** What a flood is of, the number of its connections, and what each of them sends. */
const FLOODS: ReadonlyArray<readonly [what: string, count: number, attack: (send: Send) => Promise<void>]> = [
  ['pipelined requests', 60, repeated(PIPELINED('GET /v1/models'), 10)],
  ['pipelined probes', 60, repeated(PIPELINED('GET /readyz'), 10)],
  ['pipelined preflights', 60, repeated(PIPELINED('OPTIONS /v1/x'), 10)],
  [
    'bodies in chunks of one byte',
    60,
    repeated(ONE_BYTE_CHUNKS, 10, `${POST}transfer-encoding: chunked\r\n\r\n`),
  ],
  [
    'preflights with endless bodies',
    60,
    repeated(
      ONE_BYTE_CHUNKS,
      50,
      'OPTIONS /v1/x HTTP/1.1\r\nhost: relay\r\ntransfer-encoding: chunked\r\n\r\n',
    ),
  ],
  ['large bodies', 60, repeated('x'.repeat(500_000), 20, `${POST}content-length: 30000000\r\n\r\n`)],
  ['slow bodies', 300, repeated('x', 5, `${POST}content-length: 30000000\r\n\r\n`)],
  ['heads of one long field that do not end', 300, repeated('', 1, `${POST}x: ${'y'.repeat(60_000)}`)],
  ['heads of tiny fields that do not end', 300, repeated('', 1, `${POST}${'a:\r\n'.repeat(15_000)}`)],
  [
    'heads of tiny fields, complete, again and again',
    60,
    repeated(`GET /readyz HTTP/1.1\r\nhost: relay\r\n${'a:\r\n'.repeat(3_000)}\r\n`.repeat(20), 10),
  ],
  ['connections that send nothing', 1_000, async () => {}],
  [
    'handshakes of WebSockets without a key',
    60,
    repeated(
      'GET /v1/realtime HTTP/1.1\r\nhost: relay\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
      100,
    ),
  ],
  [
    'bytes behind a handshake',
    60,
    repeated(
      'x'.repeat(100_000),
      20,
      'GET /v1/realtime HTTP/1.1\r\nhost: relay\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n',
    ),
  ],
]

async function startRelay(place: Place): Promise<Thinwire> {
  const upstream = await ScriptedUpstream.start((request) => request.write(whole('200 OK', 'ok')))
  place.upstreams.push(upstream)
  configure(place, {
    upstreams: { up: { baseUrl: upstream.url, apiKey: { env: 'UPSTREAM_KEY' } } },
    metrics: { listen: '127.0.0.1:0' },
  })
  const thinwire = await started(place, [], { UPSTREAM_KEY, NODE_OPTIONS: `--import=${HELD_MEMORY}` })
  await until(() => thinwire.key !== '', 'the key')
  return thinwire
}

/** Whether a request with a key is answered. */
async function isAnswered(place: Place, thinwire: Thinwire): Promise<boolean> {
  const client = await thinwire.client(place)
  client.send(`GET /v1/x HTTP/1.1\r\nhost: relay\r\nauthorization: Bearer ${thinwire.key}\r\n\r\n`)
  await until(() => client.bytes.includes('\r\n\r\n') || client.ending !== null, 'the answer', 120_000)
  const response = await client.response()
  client.destroy()
  return response.status === 200
}

function assertFewer(bytes: number, most: number, what: string): void {
  assert.ok(bytes < most, `${Math.round(bytes / 1024 / 1024)} MB more than idle are ${what}`)
}

if (process.platform === 'linux')
  for (const [what, count, attack] of FLOODS)
    test(`a flood of ${what} without a key takes little memory, and a request with a key is answered meanwhile`, async (place) => {
      const thinwire = await startRelay(place)
      for (let i = 0; i < 10; i++) assert.ok(await isAnswered(place, thinwire))
      await until(() => readHeld(thinwire).length > 0, 'a look at the memory that is held')
      const before = readHeld(thinwire)
      const idle = { held: Math.max(...before), resident: readResident(thinwire) }
      const flood = new Flood()
      const flooding = flood.start(thinwire.port, count, attack)
      try {
        for (let i = 0; i < 3; i++) {
          assert.ok(await isAnswered(place, thinwire), 'a request with a key was not answered')
          await Promise.race([flooding, wait(200)])
        }
        await Promise.race([flooding, wait(3_000)])
        assert.ok(await isAnswered(place, thinwire), 'a request with a key was not answered')
        // The first of these may be on its way already.
        await until(() => readHeld(thinwire).length > before.length + 1, 'a look in the flood', 120_000)
        assertFewer(Math.max(...readHeld(thinwire)) - idle.held, MOST_HELD, 'held')
        assertFewer(readResident(thinwire) - idle.resident, MOST_RESIDENT, 'resident')
      } finally {
        flood.stop()
        await flooding.catch(() => {})
      }
    })

test.run()
