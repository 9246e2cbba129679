import { once } from 'node:events'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { DeliveryWatch } from '../../src/lib/delivery-watch.js'
import { inodeOf, parseTcpTable, type TcpEntry, TcpTable, tcpHandleOf } from '../../src/lib/tcp-table.js'
import { resetSocket } from '../../src/relay/reset.js'
import { until } from '../support/until.js'

const MIB = 1024 * 1024

/** Two ends of a connection. */
async function pair(act: (near: Socket, far: Socket, watch: DeliveryWatch) => Promise<void>): Promise<void> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const far = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' })
  const [[near]] = (await Promise.all([once(server, 'connection'), once(far, 'connect')])) as unknown as [
    [Socket],
  ]
  near.on('error', () => {})
  far.on('error', () => {})
  try {
    await act(near, far, new DeliveryWatch(near, new TcpTable(undefined, 0)))
  } finally {
    near.destroy()
    far.destroy()
    server.close()
  }
}

/** Nothing of this can be had elsewhere. */
const onLinux = process.platform === 'linux' ? test : test.skip

onLinux('bytes that the other side does not read are unacknowledged for longer and longer', () =>
  pair(async (near, far, watch) => {
    far.pause()
    near.write(Buffer.alloc(8 * 1024 * 1024))
    await until(() => watch.check(performance.now(), 0) > 50, 'a stalled delivery')
    // More bytes for the same reader are no progress.
    near.write(Buffer.alloc(1024))
    const before = watch.check(performance.now(), 0)
    await until(() => watch.check(performance.now(), 0) > before + 100, 'the same stall')
    far.resume()
    await until(() => watch.check(performance.now(), 0) === 0, 'all to be taken')
    assert.not(watch.hasLeft)
  }),
)

onLinux('a reader that takes a little now and then makes progress', () =>
  pair(async (near, far, watch) => {
    far.pause()
    near.write(Buffer.alloc(24 * MIB))
    await until(() => watch.check(performance.now(), 0) > 50, 'a stalled delivery')
    for (let i = 0; i < 3; i++) {
      await until(() => watch.check(performance.now(), 0) > 300, 'a stalled delivery')
      const before = watch.check(performance.now(), 0)
      // As much as opens its window again: on some kernels that is more than a megabyte.
      let read = 0
      far.on('data', (piece: Buffer) => {
        read += piece.length
        if (read > 4 * MIB) far.pause()
      })
      far.resume()
      await until(() => read > 4 * MIB, 'some bytes')
      far.removeAllListeners('data')
      await until(() => watch.check(performance.now(), 0) < before, 'progress')
    }
  }),
)

for (const [name, leave] of [
  ['closes', (far: Socket) => far.end()],
  ['resets', (far: Socket) => resetSocket(far)],
] as const) {
  onLinux(`another side that ${name} is noticed while nothing is read`, () =>
    pair(async (near, far, watch) => {
      await until(() => {
        watch.check(performance.now(), 0)
        return watch.isInformed
      }, 'the connection to be found')
      assert.not(watch.hasLeft)
      leave(far)
      await until(() => {
        watch.check(performance.now(), 0)
        return watch.hasLeft
      }, 'the other side to have left')
      assert.ok(near.isPaused())
    }),
  )
}

test('the table is read with addresses of both kinds, and without lines that have no connection', () => {
  const text = [
    '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode',
    '   0: 0100007F:8B72 0100007F:81CD 01 0000006B:00000000 01:00000012 00000000     0        0 4005024 2 0 20 4 31 11 -1',
    '   1: 0100007F:8B73 0100007F:81CD 01 00000000:000000FF 00:00000000 00000000  1000        0 4005025 1 0 20 4 30 10 -1',
    '   2: 0100007F:8B74 0100007F:81CD 06 00000000:00000000 03:000014A2 00000000     0        0 0 3 0',
    '11111: 0000000000000000FFFF00000100007F:8B75 0000000000000000FFFF00000100007F:81CD 08 00000000:00000001 00:00000000 00000000     0        0 4005027 1 0',
    '   4: 0000000000000000FFFF00000100007F:8B76 0000000000000000FFFF00000100007F:81CD 04 00010000:00000000 04:00000012 00000003 100000       12 4005028 1 0',
    '',
  ].join('\n')
  const entries = new Map<number, TcpEntry>()
  const inodes = new Set<number>()
  for (let at = 0; at !== -1; ) at = parseTcpTable(text, at, 2, entries, inodes)
  assert.equal([...inodes], [4005024, 4005025, 4005027, 4005028])
  assert.equal(
    [...entries],
    [
      [4005024, { unacknowledged: 0x6b, isClosedByPeer: false }],
      [4005027, { unacknowledged: 0, isClosedByPeer: true }],
      [4005028, { unacknowledged: 0x10000, isClosedByPeer: false }],
    ],
  )
  assert.is(inodeOf(undefined), null)
  assert.is(inodeOf({ fd: -1 }), null)
})

onLinux(
  'a connection counts as gone only if two readings in a row did not have it, and none of them failed',
  () =>
    pair(async (near) => {
      const folder = mkdtempSync(join(tmpdir(), 'thinwire-'))
      const [file, away] = [join(folder, 'tcp6'), join(folder, 'away')]
      const line = (inode: number | null): string =>
        `  sl\n   0: 0100007F:8B73 0100007F:81CD 01 00000000:00000000 00:00000000 00000000  1000        0 ${inode} 1 0 20\n`
      const inode = inodeOf(tcpHandleOf(near))
      const table = new TcpTable([join(folder, 'none'), file], 0)
      const watch = new DeliveryWatch(near, table)
      let now = 0
      const read = async (): Promise<void> => {
        // The reading that the first check begins is looked at by the second one.
        const { begun } = table
        watch.check(now++, 0)
        await until(() => table.begun > begun && table.complete === table.begun, 'a reading')
      }
      const look = (): boolean => {
        // Begins no reading of its own.
        watch.check(now, Number.POSITIVE_INFINITY)
        return watch.hasLeft
      }
      try {
        writeFileSync(file, line(inode))
        await read()
        assert.not(look())
        assert.ok(watch.isInformed)
        // Passed over once.
        writeFileSync(file, line(7))
        await read()
        assert.not(look())
        writeFileSync(file, line(inode))
        await read()
        assert.not(look())
        // Not to be read, as where no file descriptor is left.
        renameSync(file, away)
        for (let i = 0; i < 3; i++) {
          await read()
          assert.not(look())
        }
        renameSync(away, file)
        writeFileSync(file, line(7))
        await read()
        assert.not(look())
        await read()
        assert.ok(look())
      } finally {
        rmSync(folder, { recursive: true, force: true })
      }
    }),
)

onLinux('a reading that took long puts the next one off by five seconds at most', async () => {
  const table = new TcpTable(undefined, Number.POSITIVE_INFINITY)
  table.want(0, 0)
  await until(() => table.complete === 1, 'the first reading')
  table.want(4_999, 0)
  assert.is(table.begun, 1)
  table.want(5_000, 0)
  assert.is(table.begun, 2)
  await until(() => table.complete === 2, 'the second reading')
})

onLinux('a clock that goes back keeps nobody from a reading', async () => {
  const table = new TcpTable()
  table.want(60_000, 0)
  await until(() => table.complete === 1, 'the first reading')
  table.want(0, 250)
  assert.is(table.begun, 2)
  await until(() => table.complete === 2, 'the second reading')
})

test.run()
