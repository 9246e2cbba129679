import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { judgeOwner, type PeerOwner } from '../../src/admin/peer-owner.js'

const HEAD =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n'

/** A line of the kernel's table: a connection from port 0x8B72 to 0x24F8 (9464) of loopback. */
function line(uid: number, state = '01', from = '0100007F:8B72', to = '0100007F:24F8'): string {
  return `  12: ${from} ${to} ${state} 00000000:00000000 00:00000000 00000000 ${String(uid).padStart(5)}        0 4005024 1 0 20 4 30 10 -1\n`
}

const SIX = ['00000000000000000000000001000000:8B72', '00000000000000000000000001000000:24F8'] as const

const CASES: ReadonlyArray<readonly [what: string, texts: readonly string[], owner: PeerOwner]> = [
  ["the relay's own user", [HEAD + line(1000), ''], 'relay'],
  ['root', [HEAD + line(0), ''], 'relay'],
  ['another user', [HEAD + line(1001), ''], 'other'],
  ['the relay itself, by IPv6', [HEAD, HEAD + line(1000, '01', ...SIX)], 'relay'],
  ['another user, by IPv6', [HEAD, HEAD + line(1001, '01', ...SIX)], 'other'],
  // The kernel shows a connection that its program has closed as root's.
  ['a program that has closed the connection already', [HEAD + line(0, '05'), ''], 'other'],
  ['nobody', [HEAD, HEAD], 'other'],
  [
    'two users with the same ports at other addresses of loopback',
    [HEAD + line(1000) + line(1001, '01', '0200007F:8B72', '0100007F:24F8'), ''],
    'other',
  ],
  [
    "the relay's own side of the connection alone",
    [HEAD + line(1000, '01', '0100007F:24F8', '0100007F:8B72'), ''],
    'other',
  ],
  ['nobody who could be known: a sandbox without the table', ['', ''], 'unknown'],
]
for (const [what, texts, owner] of CASES)
  test(`a connection of ${what} is of ${owner}`, () => {
    assert.is(judgeOwner(texts, 0x8b72, 9464, 1000), owner)
  })

test.run()
