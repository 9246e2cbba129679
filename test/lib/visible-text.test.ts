import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { showText } from '../../src/lib/visible-text.js'

test('what a terminal obeys or hides becomes a question mark', () => {
  const unseen = [
    '\u001b',
    '\n',
    '\r',
    '\u0007',
    '\u009b',
    '\u007f',
    '\u202e',
    '\u2066',
    '\u200b',
    '\ufeff',
    '\u2028',
    '\u2029',
    '\ud800',
  ]
  for (const character of unseen) assert.is(showText(`a${character}b`), 'a?b', JSON.stringify(character))
  const plain = 'gpt-4o: \u00fc \u5b57 \u{1f600} e\u0301 ~'
  assert.is(showText(plain), plain)
})

test.run()
