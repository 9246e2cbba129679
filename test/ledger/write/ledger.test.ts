import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { bench, Disk, FILE, records, summarize, upTo } from '../../support/ledger-disk.js'
import { deferred, until, wait } from '../../support/until.js'

test('records are written together, in order, and numbered without gaps', async () => {
  const { disk, ledger, add } = bench()
  add(3)
  await until(() => ledger.state.written === 3, 'three records')
  add(2)
  assert.is(await ledger.close(), 0)
  assert.equal(records(disk.text(FILE)), { seqs: upTo(5), torn: 0 })
  assert.equal(ledger.state, { stalled: null, queued_bytes: 0, written: 5, dropped: 0 })
})

test('records that arrive during a write go out in the next one', async () => {
  const disk = new Disk()
  const slow = deferred()
  disk.faults.push({ until: slow.promise })
  const { ledger, add } = bench({}, disk)
  add(1)
  await wait(10)
  add(50)
  await wait(10)
  assert.is(disk.text(FILE), '')
  slow.resolve()
  await until(() => ledger.state.written === 51, 'all records')
  assert.equal(records(disk.text(FILE)).seqs, upTo(51))
  await ledger.close()
})

test('a record that comes while others are held, in whatever moment of a write that ends, is written at their end', async () => {
  await Promise.all(
    Array.from({ length: 40 }, async (_, microtasks) => {
      const { disk, ledger, add } = bench({ flushBytes: 1, fsync: 'never' })
      await ledger.prepare()
      ledger.startBatch()
      add(1)
      disk.onWrite = () => {
        disk.onWrite = null
        let left = microtasks
        const step = (): void => void (left-- > 0 ? queueMicrotask(step) : add(1))
        step()
      }
      await until(() => ledger.lastSeq === 2, 'the second record')
      await wait(10)
      ledger.endBatch()
      await until(() => ledger.state.written === 2, `the record after ${microtasks} microtasks`)
      await ledger.close()
    }),
  )
})

test('a busy disk gets waiting records in batches, and loses none that arrive during a sync', async () => {
  const disk = new Disk()
  const slow = deferred()
  disk.faults.push({ until: slow.promise })
  const { ledger, add } = bench({ flushBytes: 4_096, fsync: 'every' }, disk)
  for (let i = 0; i < 20; i++) {
    add(10)
    await wait(1)
  }
  slow.resolve()
  await until(() => ledger.state.written === 200, 'all records')
  const sizes = disk.calls.filter((line) => line.startsWith('write ')).map((line) => Number(line.slice(6)))
  assert.ok(sizes.length > 10)
  for (const size of sizes) assert.ok(size < 8_192, String(size))
  assert.equal(records(disk.text(FILE)).seqs, upTo(200))
  await ledger.close()
})

test('a slow sync delays no write, and another sync follows for the records written meanwhile', async () => {
  const disk = new Disk()
  const slow = deferred()
  disk.syncs.push(slow.promise)
  const { ledger, add } = bench({ flushBytes: 4_096, fsyncMs: 1 }, disk)
  add(1)
  await until(() => disk.syncs.length === 0, 'a sync')
  while (records(disk.text(FILE)).seqs.length < 50) {
    add(1)
    await wait(1)
  }
  await until(() => ledger.state.queued_bytes === 0, 'the rest to be written')
  const syncs = () => disk.calls.filter((line) => line === 'sync').length
  assert.is(syncs(), 1)
  slow.resolve()
  await until(() => syncs() === 2, 'another sync')
  await ledger.close()
})

for (const code of ['EAGAIN', 'ENOSPC', 'EIO']) {
  test(`${code} loses no record: writing is tried again, and the error is logged once`, async () => {
    const disk = new Disk()
    disk.faults.push({ error: code }, { error: code })
    const { ledger, logged, add } = bench({}, disk)
    add(2)
    await until(() => ledger.state.stalled === code, 'the stall')
    add(3)
    assert.ok(ledger.state.queued_bytes > 0)
    await until(() => ledger.state.written === 5, 'all records')
    assert.equal(records(disk.text(FILE)), { seqs: upTo(5), torn: 0 })
    assert.is(ledger.state.stalled, null)
    assert.is(logged.length, 2)
    assert.match(logged[0] ?? '', new RegExp(`cannot be written \\(${code}\\)`))
    assert.match(logged[1] ?? '', /can be written again/)
    await ledger.close()
  })
}

test('a short write is continued at any byte, also after an error', async () => {
  const whole = bench()
  whole.add(2)
  await whole.ledger.close()
  const length = whole.disk.text(FILE).length
  for (let bytes = 0; bytes <= length; bytes += 7) {
    for (const then of [null, 'ENOSPC']) {
      const disk = new Disk()
      disk.faults.push({ bytes })
      if (then !== null) disk.faults.push({ error: then })
      const { ledger, add } = bench({}, disk)
      add(2)
      await until(() => ledger.state.written === 2, `both records, cut at ${bytes}`)
      // After an error the file is opened again, and what was torn there is one line that is none.
      const found = records(disk.text(FILE))
      // One that was cut right before its line end is whole all the same, and is there twice.
      const seqs = found.torn === 0 ? [...new Set(found.seqs)] : found.seqs
      assert.equal(seqs, [1, 2], `cut at ${bytes}, then ${then}`)
      assert.ok(found.torn <= (then === null ? 0 : 1))
      await ledger.close()
    }
  }
})

test('records beyond the memory limit are dropped and counted, and leave a gap in the numbers', async () => {
  const disk = new Disk()
  disk.faults.push({ error: 'ENOSPC' })
  const { ledger, logged, add } = bench({ bufferedBytes: 65_536 }, disk)
  // All in one turn of the event loop, in which nothing can be written.
  add(201)
  const { dropped } = ledger.state
  assert.ok(dropped > 0 && dropped < 200)
  assert.is(logged.filter((line) => /dropped/.test(line)).length, 1)
  await until(() => ledger.state.queued_bytes === 0, 'the rest to be written')
  add(1)
  await ledger.close()
  const { seqs } = records(disk.text(FILE))
  assert.equal(seqs, [...upTo(201 - dropped), 202])
})

test('a torn line in the file costs no other line', async () => {
  const disk = new Disk()
  disk.put(FILE, '{"v":1,"seq":1}\n{"v":1,"se')
  const { ledger, add } = bench({}, disk)
  add(2)
  await ledger.close()
  const text = disk.text(FILE)
  assert.ok(text.startsWith('{"v":1,"seq":1}\n{"v":1,"se\n{"v":1,'))
  assert.equal(records(text), { seqs: [1, 1, 2], torn: 1 })
})

test('a full file is followed by the next part, and a new start continues the last part', async () => {
  const disk = new Disk()
  const first = bench({ rotateBytes: 65_536, flushBytes: 8_192 }, disk)
  for (let i = 0; i < 40; i++) {
    first.add(10)
    await wait(2)
  }
  await first.ledger.close()
  const names = [...disk.files.keys()]
  assert.ok(names.length >= 3, String(names))
  assert.is(names[1], FILE.replace('.jsonl', '.2.jsonl'))
  for (const name of names) assert.ok(disk.text(name).length <= 65_536)
  assert.equal(
    names.flatMap((name) => records(disk.text(name)).seqs),
    upTo(400),
  )

  const second = bench({ rotateBytes: 65_536 }, disk)
  second.add(1)
  await second.ledger.close()
  assert.equal(records(disk.text(names.at(-1) ?? '')).seqs.at(-1), 1)
})

test('a file that was deleted is created again at its path, with a warning and without a loss', async () => {
  const { disk, ledger, logged, add } = bench()
  add(1)
  await until(() => ledger.state.written === 1, 'the first record')
  disk.files.delete(FILE)
  await wait(1_050)
  add(1)
  await until(() => ledger.state.written === 2, 'the second record')
  // What was written since the last look at the file is written again.
  assert.equal(records(disk.text(FILE)).seqs, [1, 2])
  assert.is(logged.filter((line) => /was deleted: a new one/.test(line)).length, 1)
  await ledger.close()
})

test('each fsync policy syncs as often as documented', async () => {
  const synced = async (fsync: 'never' | 'interval' | 'every', fsyncMs: number): Promise<number> => {
    const { disk, ledger, add } = bench({ fsync, fsyncMs })
    for (let i = 0; i < 3; i++) {
      add(1)
      await until(() => ledger.state.written === i + 1, 'a record')
    }
    await ledger.close()
    return disk.calls.filter((line) => line === 'sync').length
  }
  assert.is(await synced('never', 1), 0)
  assert.is(await synced('every', 3_600_000), 3)
  // At its end alone.
  assert.is(await synced('interval', 3_600_000), 1)
})

test('the last record is synced within the interval, even if no other follows', async () => {
  const { disk, ledger, add } = bench({ fsync: 'interval', fsyncMs: performance.now() + 50 })
  add(1)
  await until(() => disk.calls.includes('sync'), 'a sync')
  await ledger.close()
})

test('closing gives up on a failing disk and returns the number of lost records', async () => {
  const disk = new Disk()
  for (let i = 0; i < 100_000; i++) disk.faults.push({ error: 'ENOSPC' })
  const { ledger, add } = bench({}, disk)
  add(4)
  assert.is(await ledger.close(), 4)
})

test('a disk that does not respond is logged, does not hold up closing, and is not called again', async () => {
  const disk = new Disk()
  const never = deferred()
  disk.faults.push({ until: never.promise })
  const { ledger, logged, add } = bench({}, disk)
  add(2)
  assert.is(await ledger.close(), 2)
  assert.is(ledger.hung, true)
  assert.is(ledger.state.stalled, 'no answer')
  assert.is(logged.length, 1)
  ledger.flushNow()
  assert.is(disk.text(FILE), '')
  never.resolve()
  await until(() => ledger.state.written === 2, 'both records')
  assert.is(ledger.hung, false)
  assert.is(ledger.state.stalled, null)
})

test('flushNow writes all waiting records, and the batch under way a second time', async () => {
  const disk = new Disk()
  const never = deferred()
  disk.faults.push({ until: never.promise })
  const { ledger, add } = bench({}, disk)
  add(2)
  await wait(10)
  add(2)
  ledger.flushNow()
  assert.equal(records(disk.text(FILE)), { seqs: upTo(4), torn: 0 })
  never.resolve()
})

test('a line that another relay has split is written again, and no other line is', async () => {
  const one = bench()
  one.add(1)
  await one.ledger.close()
  const { length } = one.disk.text(FILE)
  for (const bytes of [length - 9, length + 9]) {
    const disk = new Disk()
    disk.faults.push({ bytes })
    disk.onWrite = () => {
      disk.onWrite = null
      const file = disk.files.get(FILE) as { bytes: Buffer }
      file.bytes = Buffer.concat([file.bytes, Buffer.from('\n{"seq":100}\n')])
    }
    const { ledger, add } = bench({}, disk)
    add(2)
    await ledger.close()
    const wanted = bytes < length ? [100, 1, 2] : [1, 100, 2]
    assert.equal(records(disk.text(FILE)), { seqs: wanted, torn: 1 }, `cut at ${bytes}`)
  }
})

test('records of two days go to two files, even if they arrive together', async () => {
  const { disk, ledger } = bench()
  const midnight = Date.parse('2026-03-01T00:00:00Z')
  for (const at of [midnight - 1, midnight, midnight + 1, midnight - 1])
    ledger.record(Object.assign(summarize(), { closedAt: at }))
  await ledger.close()
  assert.equal(records(disk.text('/led/usage-2026-02-28.jsonl')), { seqs: [1, 4], torn: 0 })
  assert.equal(records(disk.text('/led/usage-2026-03-01.jsonl')), { seqs: [2, 3], torn: 0 })
})

test.run()
