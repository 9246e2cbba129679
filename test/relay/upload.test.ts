import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { BodyWriter } from '../../src/lib/body-upload.js'
import { Upload } from '../../src/relay/upload.js'

/** What was written, in the pieces in which it was. */
class TestWriter implements BodyWriter {
  readonly told: string[] = []
  hasRoom = true

  write(data: Buffer): boolean {
    this.told.push(data.toString())
    return this.hasRoom
  }

  end(): void {
    this.told.push('end')
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

function begin(...pieces: string[]): { upload: Upload; writer: TestWriter } {
  const upload = new Upload(pieces.map((piece) => Buffer.from(piece)))
  return { upload, writer: new TestWriter() }
}

test('what has come before the writer is written at once, and what comes in one turn at its end', async () => {
  const { upload, writer } = begin('a', 'b')
  upload.push(Buffer.from('c'))
  upload.sendTo(writer)
  assert.is(writer.told.join(''), 'abc')
  upload.push(Buffer.from('d'))
  upload.push(Buffer.from('e'))
  assert.is(writer.told.join(''), 'abc')
  await turn()
  await turn()
  assert.is(writer.told.join(''), 'abcde')
  assert.not(upload.written)
  upload.end()
  assert.ok(upload.written)
  assert.is(writer.told.join(''), 'abcdeend')
})

test('the end comes behind all data, also of the same turn, and once', async () => {
  const { upload, writer } = begin()
  upload.sendTo(writer)
  upload.push(Buffer.from('a'))
  upload.end()
  upload.end()
  upload.flush()
  upload.resume()
  await turn()
  assert.equal(writer.told, ['a', 'end'])
})

test('a body that is over before there is a writer is written as a whole', () => {
  const { upload, writer } = begin('a')
  upload.end()
  assert.not(upload.written)
  upload.sendTo(writer)
  assert.equal(writer.told, ['a', 'end'])
})

test('a writer without room gets no more, and not the end, until it has', async () => {
  const { upload, writer } = begin('a', 'b')
  writer.hasRoom = false
  upload.sendTo(writer)
  assert.equal(writer.told, ['a'])
  upload.push(Buffer.from('c'))
  await turn()
  upload.end()
  assert.equal(writer.told, ['a'])
  assert.not(upload.written)
  upload.resume()
  assert.equal(writer.told, ['a', 'b'])
  writer.hasRoom = true
  upload.resume()
  assert.is(writer.told.join(''), 'abcend')
  assert.ok(upload.written)
})

test('data that the writer has does not change when more comes', async () => {
  const { upload } = begin()
  const had: Buffer[] = []
  upload.sendTo({
    write(data) {
      had.push(data)
      return had.length % 2 === 0
    },
    end() {},
  })
  let text = ''
  let seen = ''
  for (let i = 0; i < 200; i++) {
    const piece = `${i},`.repeat((i % 7) + 1)
    text += piece
    upload.push(Buffer.from(piece))
    if (i % 3 === 0) await turn()
    if (i % 5 === 0) upload.resume()
    const now = Buffer.concat(had).toString()
    assert.ok(now.startsWith(seen))
    seen = now
  }
  for (let i = 0; i < 400; i++) upload.resume()
  await turn()
  for (let i = 0; i < 400; i++) upload.resume()
  assert.is(Buffer.concat(had).toString(), text)
})

test('undici can read it, too', async () => {
  const { upload } = begin('a')
  const read: string[] = []
  const done = (async () => {
    for await (const data of upload) read.push(data.toString())
  })()
  await turn()
  upload.push(Buffer.from('b'))
  upload.push(Buffer.from('c'))
  await turn()
  await turn()
  upload.end()
  await done
  assert.is(read.join(''), 'abc')
  assert.ok(upload.written)
})

test.run()
